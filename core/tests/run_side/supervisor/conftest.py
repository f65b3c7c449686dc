"""Real supervisors: the unpacked archive, run by this interpreter, isolated, with an event file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.engine.archive import unpacked
from framework_run import eventfile

TOKEN = "tok3n"
PATIENCE = 30.0  # seconds; far beyond what anything here takes


class Running:
    """A supervisor that was started, and its event file."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.process = process
        self.path = path

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        offset = 0
        while True:
            events, after = eventfile.read(str(self.path), offset)
            if after == offset:
                return found
            found, offset = found + events, after

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["kind"] == kind]

    def log(self, stream: str = "stdout") -> str:
        return "".join(data["text"] for data in self.of("log") if data["stream"] == stream)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.events[-5:]
            time.sleep(0.01)

    def says(self, text: str) -> None:
        """Wait until the handler has written a text to standard output."""
        self.until(lambda: text in self.log())

    @property
    def handler(self) -> int:
        self.until(lambda: self.of("state"))
        return int(self.of("state")[0]["pid"])

    def ask(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    @property
    def status(self) -> int:
        return self.process.wait(PATIENCE)

    @property
    def end(self) -> dict[str, Any]:
        """The end, which is the last event, counts the others, and agrees with the exit status."""
        status = self.status
        events = self.events
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        data: dict[str, Any] = events[-1]["data"]
        assert [event["kind"] for event in events].count("end") == 1
        assert events[-1]["kind"] == "end"
        assert data["events"] == len(events)
        assert status == (0 if data["state"] == "completed" else 1)
        return data


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("home"))


@pytest.fixture
def launch(runner: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a supervisor with any submission; those that are left at the end of the test are killed."""
    started: list[subprocess.Popen[bytes]] = []

    def call(code: dict[str, Any], *, popen: dict[str, Any] | None = None, **parts: Any) -> Running:
        path = tmp_path / "submission.json"
        document = {
            "version": 1,
            "run": {"uid": "0198", "name": "test", "project": "default"},
            "function": {"name": "test"},
            "code": {"folder": str(tmp_path), "archive": None, **code},
            "params": {},
            "carrier": {"type": "file", "path": str(tmp_path / "events")},
            "token": TOKEN,
            "timeouts": {"grace": 10},
            **parts,
        }
        path.write_text(json.dumps(document))
        words = [sys.executable, "-I", str(runner), str(path)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, **{"env": environment, **(popen or {})})
        started.append(process)
        return Running(process, tmp_path / "events")

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


@pytest.fixture
def script(launch: Callable[..., Running], tmp_path: Path) -> Callable[..., Running]:
    """Start a script: a command in the handler's place."""

    def call(source: str, **parts: Any) -> Running:
        (tmp_path / "script.py").write_text(textwrap.dedent(source))
        return launch({"command": ["{python}", "{code}/script.py"]}, **parts)

    return call


@pytest.fixture
def handler(launch: Callable[..., Running], tmp_path: Path) -> Callable[..., Running]:
    """Start the function ``main`` of a module."""

    def call(source: str, **parts: Any) -> Running:
        (tmp_path / "code_of_user.py").write_text(textwrap.dedent(source))
        return launch({"module": "code_of_user", "file": "code_of_user.py", "handler": "main"}, **parts)

    return call


@pytest.fixture(params=["script", "handler"])
def either(request: pytest.FixtureRequest) -> Callable[..., Running]:
    """Start the function ``main`` of a source, as a handler and as a script that calls it."""
    start = request.getfixturevalue(request.param)
    rest = "\nmain()\n" if request.param == "script" else ""
    return lambda source, **parts: start(textwrap.dedent(source) + rest, **parts)


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    return gone
