"""The show: a thousand items on a cluster that grows with the work and loses a worker half-way, at a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MANY = 1000
CODE = """
import os, pathlib, time

def square(n: int) -> int:
    print("number", n)
    while len(os.listdir("passed")) >= 500 and not pathlib.Path("open").exists():
        time.sleep(0.02)
    pathlib.Path("passed", str(n)).touch()
    time.sleep(0.005)
    return n * n
"""
COURSES = ("dask_workers", "dask_done")
CLUSTER = ("spec.scale.min_replicas=1", "spec.scale.max_replicas=4")


class Person:
    """Somebody at a terminal, in a folder with ``job.py`` and a thousand items."""

    def __init__(self, folder):
        (folder / "job.py").write_text(CODE)
        (folder / "passed").mkdir()
        (folder / "items.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(MANY)))
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
        self.env["FRAMEWORK_HOME"] = str(folder / "home")

    def start(self, *words, **streams):
        line = [sys.executable, "-m", "framework", *words]
        return subprocess.Popen(line, cwd=self.folder, env=self.env, text=True, **streams)

    def call(self, *words):
        with self.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            said, problems = process.communicate(timeout=120)
        assert process.returncode == 0, (words, said, problems)
        return json.loads(said) if "--json" in words else said

    def until(self, holds, *words):
        """Call until what is said holds, and give it."""
        deadline = time.monotonic() + 120
        while not holds(found := self.call(*words)):
            assert time.monotonic() < deadline, found
        return found


@pytest.fixture
def person(tmp_path):
    someone = Person(tmp_path)
    yield someone
    someone.call("dask", "cluster", "close", "show")


def test_a_thousand_items_while_workers_come_and_one_is_killed(person):
    spec = [word for each in CLUSTER for word in ("--set", each)]
    options = [word for each in ("cluster=show", "adaptive.target_duration=200ms") for word in ("-o", each)]
    words = ["run", "job.py:square", "--map", "items.jsonl", "--kind", "dask", "--json", *spec, *options]
    with (person.folder / "problems").open("w") as problems:
        process = person.start(*words, stdout=subprocess.PIPE, stderr=problems)
    try:
        # Half of them are there, whichever came first, and the others wait; four workers have one each.
        (parent,) = person.until(bool, "runs", "list", "--json")
        uid = parent["metadata"]["uid"]
        below = ("runs", "list", "--parent", uid, "--json")
        show = ("runs", "show", uid, "--json")
        run = person.until(lambda run: run["status"]["progress"].get("done", 0) >= MANY // 2, *show)
        held = person.until(lambda found: len(found) == 4, *below, "--state", "running")
        assert run["status"]["progress"]["total"] == MANY
        assert run["status"]["progress"]["done"] < MANY
        workers = person.call("dask", "cluster", "show", "show", "--json")["workers"]
        assert len(workers) == 4
        os.kill(next(iter(workers.values()))["pid"], signal.SIGKILL)
        (person.folder / "open").touch()
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, (person.folder / "problems").read_text()
    finally:
        process.kill()
        process.wait()
    assert json.loads(said)["status"]["results"] == {"completed": MANY, "failed": 0}
    items = sorted(person.call(*below, "--all"), key=lambda item: item["spec"]["iteration"])
    assert [item["status"]["results"]["return"] for item in items] == [n * n for n in range(MANY)]
    twice = [item for item in items if len(item["status"]["attempts"]) > 1]
    assert {item["metadata"]["uid"] for item in twice} & {item["metadata"]["uid"] for item in held}
    tree = re.findall(r"[├└]─ \S+  square  completed .* return=(\d+)", person.call("runs", "show", uid))
    assert tree == [str(n * n) for n in range(50)]
    courses = {name: person.call("runs", "show", uid, "--json")["status"]["metrics"][name] for name in COURSES}
    assert courses["dask_done"] == MANY
    assert courses["dask_workers"] in (3, 4)  # the one that was killed may not be back yet
    lines = [line.rpartition("| ")[2] for line in person.call("logs", uid).splitlines()]
    assert sorted(lines) == sorted(f"number {n}" for n in range(MANY))
