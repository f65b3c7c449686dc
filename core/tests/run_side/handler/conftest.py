"""Runs of real handler processes: from the unpacked archive, by this interpreter, isolated as always."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework.engine.archive import unpacked
from framework_run.frames import Decoder

TOKEN = "tok3n"


class Ran:
    """What came back from one run."""

    def __init__(self, ended: subprocess.CompletedProcess[bytes]) -> None:
        decoder = Decoder(TOKEN)
        items = decoder.feed(ended.stdout) + decoder.close()
        self.events = [item for item in items if isinstance(item, dict)]
        self.status = ended.returncode
        self.own_stderr = ended.stderr.decode()

    def of(self, kind: str, child: str | None = None) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["kind"] == kind and event.get("child") == child]

    @property
    def results(self) -> dict[str, Any]:
        return {key: value for data in self.of("result") for key, value in data["values"].items()}

    @property
    def end(self) -> dict[str, Any]:
        (end,) = self.of("end")
        return end

    def log(self, stream: str) -> str:
        return "".join(data["text"] for data in self.of("log") if data["stream"] == stream)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("home"))


def submission(folder: Path, handler: str, **parts: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "run": {"uid": "0198", "name": handler, "project": "default", "iteration": 0, "attempt": 1, "rank": 0},
        "function": {"name": handler},
        "code": {"folder": str(folder), "module": "code_of_user", "file": "code_of_user.py", "handler": handler},
        "params": {},
        "raw": [],
        "carrier": {"type": "frames"},
        "token": TOKEN,
        "timeouts": {"grace": 5},
        **parts,
    }


@pytest.fixture
def packed() -> Callable[[Path], str]:
    """The modules below a folder, as a submission carries them."""
    return _packed


def _packed(folder: Path) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(folder.rglob("*.py")):
            packed.write(path, path.relative_to(folder))
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def run(archive: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Write a source, and run a handler of it."""
    folder = tmp_path / "user"
    folder.mkdir()

    def call(source: str, handler: str = "main", *, environment: dict[str, str] | None = None, **parts: Any) -> Ran:
        (folder / "code_of_user.py").write_text(textwrap.dedent(source))
        document = submission(folder, handler, **parts)
        ended = subprocess.run(
            [sys.executable, "-I", str(archive), "-"],
            input=json.dumps(document).encode(),
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | (environment or {}),
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Ran(ended)

    call.folder = folder  # type: ignore[attr-defined]
    return call
