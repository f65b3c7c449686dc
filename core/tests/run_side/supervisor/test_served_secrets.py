"""Secrets of items that one handler serves: masked from the first item on, and missing for each by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECRET = "canary in the mine"
SOURCE = """
import os
def main(url: str = ""):
    print(os.environ["TOKEN"], len(url))
    return os.environ["TOKEN"]
"""
SERVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from framework_run import serving; serving.serve(sys.stdin.buffer, 1)"
)


def served(runner: Path, folder: Path, key: str, *urls: str) -> list[dict[str, Any]]:
    """The events of two items."""
    (folder / "code_of_user.py").write_text(SOURCE)
    (folder / "scratch").mkdir()
    reference = {"store": "env", "key": key, "target": "framework_run.secrets:EnvironmentStore", "options": {}}
    code = {"folder": str(folder), "archive": None, "module": "code_of_user", "file": "code_of_user.py"}
    submission = {
        "version": 1,
        "run": {"uid": "0", "name": "test"},
        "function": {"name": "test"},
        "code": {**code, "handler": "main"},
        "params": {},
        "secrets": {"TOKEN": reference},
        "carrier": {"type": "file", "path": "", "scratch": str(folder / "scratch")},
        "token": "tok3n",
        "timeouts": {"grace": 10},
    }
    given = enumerate(urls or ("{secret:TOKEN}",) * 2, 1)
    items = [{"run": {"uid": str(number), "name": "test"}, "params": {"url": url}} for number, url in given]
    lines = "".join(json.dumps(line) + "\n" for line in (submission, *items))
    ended = subprocess.run(
        [sys.executable, "-I", "-c", SERVE, str(runner)],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SOURCE": SECRET},
    )
    assert ended.stderr == ""
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_every_item_has_the_secret_and_none_shows_it(runner: Path, tmp_path: Path) -> None:
    events = served(runner, tmp_path, "SOURCE")
    assert SECRET not in json.dumps(events)
    ends = {event["run"]: event["data"]["state"] for event in events if event["kind"] == "end"}
    assert ends == {"1": "completed", "2": "completed"}
    logs = ["".join(e["data"]["text"] for e in events if e["kind"] == "log" and e["run"] == uid) for uid in ("1", "2")]
    assert logs == [f"*** {len(SECRET)}\n"] * 2
    assert [event["data"]["values"] for event in events if event["kind"] == "result"] == [{"return": "***"}] * 2


def test_an_item_that_was_given_the_value_by_mistake_is_refused_alone(runner: Path, tmp_path: Path) -> None:
    events = served(runner, tmp_path, "SOURCE", f"at {SECRET}", "nothing")
    ends = [event["data"] for event in events if event["kind"] == "end"]
    assert [(end["state"], end["cause"]) for end in ends] == [("failed", "BadInput"), ("completed", None)]


@pytest.mark.parametrize("key", ["NOT_THERE_AT_ALL"])
def test_every_item_without_its_secret_is_bad_input(runner: Path, tmp_path: Path, key: str) -> None:
    events = served(runner, tmp_path, key)
    ends = [event["data"] for event in events if event["kind"] == "end"]
    assert [(end["state"], end["cause"]) for end in ends] == [("failed", "BadInput")] * 2
    assert all(f"TOKEN (env:{key}) is not there" in end["message"] for end in ends)
