from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository with one commit; a call runs git in it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    top = tmp_path / "repo"
    top.mkdir()

    def call(*words: str, folder: Path = top, content: bytes | None = None) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *words], cwd=folder, input=content, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape")

    call("init", "-q", "-b", "main")
    (top / "job.py").write_text("def double(number: int = 2) -> int:\n    return 2 * number\n")
    call("add", "-A")
    call("commit", "-q", "-m", "first")
    return call


@pytest.fixture
def top(git: Git, tmp_path: Path) -> Path:
    return tmp_path / "repo"
