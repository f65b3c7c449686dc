"""Logs that their node rotates: the API serves what came after the last rotation, and no record is lost with the rest.

The kubelet looks every ten seconds, and rotates what is over 10 MiB: both are its defaults, and the test bed's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(400)

TOOL = Path(sys.executable).parent / "framework"
ROTATED = 10 << 20  # bytes
LINES = 30  # of a megabyte each
ALL = f"log_first={60 << 20}"  # the runner leaves out nothing

LONG = f"""
import os, time
import framework as fw

def main(pause=0.0, artifact=False):
    run = fw.context()
    for n in range({LINES}):
        print(f"{{n:02}}" + "x" * 1_000_000)
        run.log_result(f"r{{n}}", n)
        run.log_metric("loss", 1 / (n + 1), step=n)
        time.sleep(pause)
    if artifact:
        with open("model.bin", "wb") as file:
            file.write(os.urandom(5 << 20))
        try:
            run.log_artifact("model", "model.bin")
        except Exception as error:
            return str(error)[:23]
    return "done"
"""
RESULTS = {f"r{n}": n for n in range(LINES)}


class Client:
    """The tool, with a FRAMEWORK_HOME of its own and nothing in memory from one call to the next."""

    def __init__(self, home, folder):
        self._with = {"env": {**os.environ, "FRAMEWORK_HOME": str(home)}, "cwd": folder}

    def begin(self, *words):
        """Start a command, and give its process."""
        return subprocess.Popen([TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **self._with)

    def call(self, *words):
        """What a command wrote."""
        ended = subprocess.run([TOOL, *words], capture_output=True, timeout=200, check=False, **self._with)
        assert ended.stdout, ended.stderr
        return ended.stdout

    def start(self, *words):
        """Start a detached run; its uid."""
        found = json.loads(self.call("run", "job.py:main", "--kind", "job", "--detach", "--json", "-o", ALL, *words))
        return found["metadata"]["uid"]

    def runs(self, *words):
        """The runs, as the database has them."""
        return json.loads(self.call("runs", "list", "--json", *words))


@pytest.fixture
def client(home, tmp_path):
    (tmp_path / "job.py").write_text(LONG)
    return Client(home, tmp_path)


@pytest.fixture
def phase(kubectl):
    """Waits until the pod of a run is in a phase; its name."""

    def wait(uid, wanted):
        deadline = time.monotonic() + 120
        while True:
            for found in kubectl("get", "pods", "-l", f"framework/run={uid}", "-o", "json")["items"]:
                if found["status"]["phase"] == wanted:
                    return found["metadata"]["name"]
            assert time.monotonic() < deadline
            time.sleep(0.5)

    return wait


def _until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _served(pod):
    """The bytes of a pod's log that the API serves."""
    return len(subprocess.run(["kubectl", "logs", pod], capture_output=True, timeout=60, check=True).stdout)


def _check(run):
    status = run["status"]
    assert (status["state"], status["provisional"]) == ("completed", False), status
    assert {name: status["results"][name] for name in RESULTS} == RESULTS
    assert status["metrics"]["loss"] == pytest.approx(1 / LINES)


def test_nobody_reads_it_before_it_is_over(client, phase):
    uid = client.start()
    phase(uid, "Succeeded")
    client.call("runs", "sync", "--json")
    (run,) = client.runs()
    _check(run)


def test_whoever_follows_is_killed_and_another_goes_on(client, phase):
    """It prints for half a minute, in which its log is rotated: what nobody has read of it is missing, and counted."""
    with client.begin("run", "job.py:main", "--kind", "job", "-o", ALL, "-p", "pause=1") as following:
        try:
            assert following.stdout.read(5_000_000)
        finally:
            following.send_signal(signal.SIGKILL)
    (run,) = client.runs()
    phase(run["metadata"]["uid"], "Succeeded")
    log = client.call("logs", "-f", run["metadata"]["uid"])
    (run,) = client.runs()
    _check(run)
    assert log.startswith(b"00x")
    assert b"29x" in log
    assert log.endswith(b"x\n")
    assert len(log) < 30_000_000
    assert run["status"]["gaps"]


def test_its_pod_stays_and_its_log_is_rotated_behind_the_end(client, phase):
    uid = client.start("-o", "keep=200", "-p", "artifact=true")
    pod = phase(uid, "Running")
    kept = ["kubectl", "exec", pod, "--", "test", "-e", "/framework/work/kept/0-model.bin"]
    _until(lambda: subprocess.run(kept, capture_output=True, timeout=60, check=False).returncode == 0)
    _until(lambda: _served(pod) < ROTATED)

    def ended():
        client.call("runs", "sync", "--json")
        (run,) = client.runs()
        return run["status"]["state"] not in ("pending", "running")

    _until(ended)  # which is long before its pod goes
    (run,) = client.runs()
    _check(run)


def test_items_of_a_map_that_nobody_reads_before_they_are_over(client, kubectl, tmp_path):
    (tmp_path / "items.jsonl").write_text('{"pause": 0}\n{"pause": 0.5}\n')
    words = ("run", "job.py:main", "--kind", "job", "--detach", "--json", "-o", ALL, "--map", "items.jsonl")
    uid = json.loads(client.call(*words))["metadata"]["uid"]

    def over():
        (job,) = kubectl("get", "jobs", "-o", "json", "-l", f"framework/run={uid}")["items"]
        return job["status"].get("succeeded") == 2

    _until(over, 120)
    client.call("runs", "sync", "--json")
    runs = client.runs("--parent", uid)
    assert len(runs) == 2
    for run in runs:
        _check(run)
