"""Whoever follows a run or a map is told why its pods wait, by a cluster's own words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from framework.plugins.manager import Plugins
from framework.runtimes import RuntimeContext

# Of six that no node takes, the scheduler has not looked at all when it is said.
PODS = re.compile(r"\b[1-6] pods? of job-\S+ waits?: Unschedulable")


@pytest.fixture
def run(home, tmp_path):
    """Runs a function that takes a while, or maps it; gives its document and what was said beside it."""
    (tmp_path / "job.py").write_text("import time\ndef main(n=0):\n    time.sleep(12)\n    return n\n")
    (tmp_path / "items.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(6)))
    program = Path(sys.executable).parent / "framework"
    env = {**os.environ, "FRAMEWORK_HOME": str(home)}

    def call(*words):
        what = [program, "run", "job.py:main", "--kind", "job", "--json", *words]
        ended = subprocess.run(what, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout), ended.stderr

    return call


@pytest.fixture
def narrow(kubectl):
    """A namespace with room for one pod."""
    name = f"narrow-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("create", "quota", "narrow", "-n", name, "--hard=pods=1")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def test_a_map_that_no_node_has_room_for_says_so_once(run):
    document, said = run("--map", "items.jsonl", "--request", "cpu=500", "--set", "life.timeouts.pending=14")
    assert document["status"]["results"] == {"completed": 0, "failed": 6}, said
    assert said.count(" wait: Unschedulable") == 1, said
    assert PODS.search(said), said


def test_who_comes_later_to_a_map_is_told_as_well(run, home):
    document, _ = run("--map", "items.jsonl", "--request", "cpu=500", "--set", "life.timeouts.pending=25", "--detach")
    program, env = Path(sys.executable).parent / "framework", {**os.environ, "FRAMEWORK_HOME": str(home)}
    looks = [program, "logs", "-f", document["metadata"]["uid"]]
    looked = subprocess.run(looks, env=env, capture_output=True, text=True, timeout=200, check=True)
    assert len(PODS.findall(looked.stderr)) == looked.stderr.count(" wait: Unschedulable") == 1, looked.stderr


def test_a_map_that_a_quota_slows_says_so_once_and_comes_to_its_end(run, narrow):
    document, said = run("--map", "items.jsonl", "-o", f"namespace={narrow}", "--parallelism", "6")
    assert document["status"]["results"] == {"completed": 6, "failed": 0}, said
    assert said.count("no pod can be made") == 1, said
    assert "exceeded quota: narrow" in said


def test_a_run_that_no_node_has_room_for_ends_with_the_words_of_the_scheduler(run):
    document, said = run("--request", "cpu=500", "--set", "life.timeouts.pending=14")
    status = document["status"]
    assert status["cause"] == "Unschedulable", (status, said)
    assert "did not begin within its limit of 14 s: Unschedulable: 0/" in status["message"]


def test_a_limit_in_which_no_container_begins_is_said(run):
    document, said = run("--request", "memory=1Mi", "--limit", "memory=1Mi", "--set", "life.timeouts.pending=25")
    assert document["status"]["cause"] == "Timeout", document["status"]
    assert "waits: FailedCreatePodSandBox: " in said
    assert "memory limit too low" in said


def test_a_run_that_a_quota_keeps_back_says_so(run, narrow, kubectl):
    pod = {"name": "first", "image": os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim"), "command": ["true"]}
    spec = {"containers": [pod], "schedulingGates": [{"name": "framework/never"}]}
    full = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first", "namespace": narrow}, "spec": spec}
    kubectl("apply", "-f", "-", stdin=json.dumps(full))
    document, said = run("-o", f"namespace={narrow}", "--set", "life.timeouts.pending=18")
    assert document["status"]["cause"] == "Timeout", document["status"]
    assert "waits: no pod can be made" in said
    assert "exceeded quota: narrow" in said


def test_what_the_machine_that_started_it_has_to_send_is_said_on_another_and_sent_by_the_first(start, tmp_path, caplog):
    (tmp_path / "table.csv").write_text("a,b")
    live = start("def main(table): return open(table).read()", inputs={"table": {"path": str(tmp_path / "table.csv")}})
    elsewhere = Plugins().runtime("job", RuntimeContext(home=str(tmp_path / "elsewhere")))
    deadline = time.monotonic() + 100
    for _ in elsewhere.follow(live.handle, {}):
        if caplog.messages:
            break
        assert time.monotonic() < deadline
    assert "is sent by the machine that started it" in caplog.messages[0]
    assert live.finish().results == {"return": "a,b"}
