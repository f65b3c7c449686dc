"""The archive alone: any Python on the machine, nothing installed, no environment, everything back by stdout."""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import subprocess
import textwrap
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from framework.engine.archive import build
from framework_run.frames import Decoder

TOKEN = "t0k3n"
SOURCE = '''
"""The user's module, with a module of its own beside it."""
import os
import sys

import framework as fw
import helper


@fw.function(kind="local")
def train(depth: int, data: str = "none"):
    context = fw.context()
    print("training with", depth)
    print("a warning", file=sys.stderr)
    os.write(1, b"\\xff\\x00binary\\n")
    for step in range(3):
        context.log_metric("loss", 1 / (step + 1), step=step)
    context.log_result("where", fw.__file__)
    context.set_label("colour", "blue")
    context.log_artifact("notes", "what was learned", format="text")
    return {"weights": [depth] * 3}, helper.double(depth)
'''
HELPER = "def double(number):\n    return number * 2\n"


@functools.cache
def interpreters() -> list[str]:
    """One path for each version that is on the machine, from 3.10 on."""
    folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found: dict[str, str] = {}
    for minor in range(10, 31):
        for folder in folders:
            program = folder / f"python3.{minor}"
            if program.exists() and f"3.{minor}" not in found and _runs(program):
                found[f"3.{minor}"] = str(program)
    return list(found.values())


def _runs(program: Path) -> bool:
    """Whether it runs without an environment, as a version manager's launcher does not, and is of no virtual one."""
    probe = [program, "-I", "-c", "import sys, zlib; sys.exit(sys.prefix != sys.base_prefix)"]
    return subprocess.run(probe, env={}, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "runner.pyz"
    path.write_bytes(build().data)
    return path


def packed(files: dict[str, str]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as folder:
        for name, text in files.items():
            folder.writestr(name, textwrap.dedent(text))
    return base64.b64encode(buffer.getvalue()).decode()


def submission(**code: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "run": {"uid": "0198c0de", "name": "train", "project": "default", "iteration": 0, "attempt": 1, "rank": 0},
        "function": {"name": "train", "kind": "local", "version": "sha256:0"},
        "code": {"folder": None, "module": "code_of_user", "file": "code_of_user.py", "handler": "train", **code},
        "params": {"depth": "4"},
        "raw": ["depth"],
        "inputs": {},
        "returns": ["model:json", "doubled"],
        "env": {},
        "workdir": None,
        "requirements": [],
        "labels": {},
        "artifacts": {},
        "wrappers": [],
        "carrier": {"type": "frames"},
        "token": TOKEN,
        "heartbeat": None,
        "timeouts": {"run": None, "grace": 10},
        "resources": {"limits": {}},
    }


def run(python: str, archive: Path, document: dict[str, Any], elsewhere: Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit status and the events; nothing else may be on the two streams."""
    (elsewhere / "submission.json").write_text(json.dumps(document))
    done = subprocess.run(
        [python, "-I", str(archive), "submission.json"],
        cwd=elsewhere,
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""
    decoder = Decoder(TOKEN)
    items = decoder.feed(done.stdout) + decoder.close()
    assert [item for item in items if isinstance(item, bytes)] == []
    return done.returncode, [item for item in items if isinstance(item, dict)]


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["kind"] == kind]


def log(events: list[dict[str, Any]], stream: str) -> bytes:
    text = "".join(data["text"] for data in of(events, "log") if data["stream"] == stream)
    return text.encode("utf-8", "surrogateescape")


def test_there_are_several_interpreters_or_the_rest_shows_little() -> None:
    assert interpreters()


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_everything_comes_back_from_a_bare_interpreter(python: str, archive: Path, tmp_path: Path) -> None:
    document = submission(archive=packed({"code_of_user.py": SOURCE, "helper.py": HELPER}))
    status, events = run(python, archive, document, tmp_path)

    end = events[-1]["data"]
    assert (status, events[-1]["kind"], end["state"], end["cause"]) == (0, "end", "completed", None), log(
        events, "stderr"
    )
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert end["events"] == len(events)
    assert sum(end["kinds"].values()) == len(events)
    assert {(event["run"], event["attempt"], event["rank"]) for event in events} == {("0198c0de", 1, 0)}
    assert events[0]["data"]["state"] == "running"

    results = {key: value for data in of(events, "result") for key, value in data["values"].items()}
    assert results["doubled"] == 8
    assert results["where"].startswith(f"{archive}{os.sep}facade")
    metrics = of(events, "metric")
    assert {metric["key"] for metric in metrics} == {"loss"}
    assert [step for metric in metrics for step in metric["steps"]] == [0, 1, 2]
    assert [value for metric in metrics for value in metric["values"]] == [1.0, 0.5, 1 / 3]
    assert of(events, "label") == [{"labels": {"colour": "blue"}}]
    content = {data["key"]: zlib.decompress(base64.b64decode(data["content"])) for data in of(events, "artifact")}
    assert content["notes"] == b"what was learned"
    assert json.loads(content["model"]) == {"weights": [4, 4, 4]}
    assert b"training with 4\n" in log(events, "stdout")
    assert b"\xff\x00binary\n" in log(events, "stdout")
    assert log(events, "stderr") == b"a warning\n"
    assert end["peak"]["memory"] > 1e6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["submission.json"]  # nothing is left behind


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_a_failure_comes_back_with_the_users_own_traceback(python: str, archive: Path, tmp_path: Path) -> None:
    source = "def train(depth):\n    raise KeyError('gone')\n"
    status, events = run(python, archive, submission(archive=packed({"code_of_user.py": source})), tmp_path)
    end = events[-1]["data"]
    assert (status, end["state"], end["cause"], end["message"]) == (1, "failed", "UserError", "KeyError: 'gone'")
    assert "raise KeyError('gone')" in end["traceback"]
    assert "framework_run" not in end["traceback"]


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_a_script_reports_by_the_same_way(python: str, archive: Path, tmp_path: Path) -> None:
    source = "import framework as fw\nprint('hello')\nfw.context().log_result('answer', 42)\n"
    document = submission(
        archive=packed({"script.py": source}), handler=None, command=["{python}", "{code}/script.py", "--flag"]
    )
    status, events = run(python, archive, {**document, "params": {}, "raw": [], "returns": []}, tmp_path)
    assert (status, events[-1]["data"]["state"]) == (0, "completed"), log(events, "stderr")
    assert of(events, "result") == [{"values": {"answer": 42}}]
    assert log(events, "stdout") == b"hello\n"


def test_the_users_own_libraries_are_the_ones_imported(archive: Path, tmp_path: Path) -> None:
    names = ["attr", "attrs", "click", "pluggy", "yaml", "cattrs"]
    files = {f"{name}.py": f"version = 'the user\\'s {name}'\n" for name in names}
    files["code_of_user.py"] = f"""
import {", ".join(names)}

def train(depth):
    return {{name: globals()[name].version for name in {names}}}
"""
    document = {**submission(archive=packed(files)), "returns": []}
    status, events = run(interpreters()[0], archive, document, tmp_path)
    assert status == 0, log(events, "stderr")
    assert of(events, "result") == [{"values": {"return": {name: f"the user's {name}" for name in names}}}]


def test_the_archive_is_small(archive: Path) -> None:
    assert archive.stat().st_size <= 200_000


def test_other_writers_on_the_same_stream_are_left_as_they_are(archive: Path, tmp_path: Path) -> None:
    source = "def train(depth):\n    return depth\n"
    document = {**submission(archive=packed({"code_of_user.py": source})), "returns": []}
    (tmp_path / "submission.json").write_text(json.dumps(document))
    words = f"printf 'before'; {interpreters()[0]} -I {archive} submission.json; printf 'after\\377\\n'"
    done = subprocess.run(["/bin/sh", "-c", words], cwd=tmp_path, env={}, capture_output=True, timeout=60, check=True)
    decoder = Decoder(TOKEN)
    items = decoder.feed(done.stdout) + decoder.close()
    assert b"".join(item for item in items if isinstance(item, bytes)) == b"beforeafter\xff\n"
    assert next(item for item in reversed(items) if isinstance(item, dict))["kind"] == "end"
