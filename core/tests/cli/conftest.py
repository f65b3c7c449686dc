from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from framework.cli.main import execute
from framework.databases import Database
from framework.engine.session import current
from framework_run.events import Producer
from framework_run.uid import new_uid

TOOL = Path(sys.executable).parent / "framework"
CODE = '''\
def train(data: str = "", depth: int = 2) -> float:
    """Train."""
    return depth * 2.0
'''


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT", "FRAMEWORK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "db-sql,storage-file")  # what the seeded tests need
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def cli(capsys) -> Callable[..., Done]:
    """Run a command line in this process."""

    def call(*words: str) -> Done:
        capsys.readouterr()
        code = execute(words)
        out, err = capsys.readouterr()
        assert "this is a bug" not in err
        return Done(code, out, err)

    return call


@pytest.fixture
def code_cli(cli, tmp_path, monkeypatch) -> Callable[..., Callable[..., Done]]:
    """`cli` with every plugin that is here, beside one file of code: for what is refused and starts nothing."""
    monkeypatch.delenv("FRAMEWORK_PLUGINS")

    def beside(name: str, code: str) -> Callable[..., Done]:
        (tmp_path / name).write_text(code)
        return cli

    return beside


@pytest.fixture
def database(home) -> Iterator[Database]:
    opened = current().database
    yield opened
    opened.close()


@pytest.fixture
def add_run(database) -> Callable[..., str]:
    """Keep a run with the events that make it what is asked for; returns its uid."""

    def add(
        name: str = "train",
        *,
        spec: dict[str, Any] | None = None,
        labels: dict[str, str] | None = None,
        project: str = "default",
        created: float = 1_000_000.0,
        events: tuple[tuple[str, dict[str, Any]], ...] = (),
        end: dict[str, Any] | None = None,
    ) -> str:
        uid = new_uid()
        document = {
            "metadata": {"uid": uid, "name": name, "project": project, "labels": labels or {}},
            "spec": spec or {},
            "status": {"state": "created", "created": created},
        }
        database.create_run(document)
        producer = Producer({"uid": uid})
        made = [producer.event("state", {"state": "running", "host": "h", "pid": 1}, at=created + 1)]
        made += [producer.event(kind, data, at=created + 2) for kind, data in events]
        if end is not None:
            made.append(producer.event("end", {"cause": None, "message": "", "advice": "", **end}, at=created + 4))
        database.apply(uid, made)
        return uid

    return add


@pytest.fixture
def tool(tmp_path, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command line in a folder that is a git repository with one commit."""
    monkeypatch.delenv("FRAMEWORK_PLUGINS")
    top = tmp_path / "repo"
    top.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }

    def call(
        *words: str, code: int = 0, program: str | Path = TOOL, more: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, *words],
            cwd=top,
            env={**environment, **(more or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    (top / "job.py").write_text(CODE)
    (top / "d.csv").write_text("a,b\n")
    call("init", "-q", "-b", "main", program="git")
    call("add", "job.py", program="git")
    call("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "first", program="git")
    call.top, call.code = top, CODE
    return call
