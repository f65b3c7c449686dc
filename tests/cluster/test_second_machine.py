"""A second machine that has nothing of the first but the database: it follows, brings in, ends, and spoils nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import time
import framework as fw

def main(lines=40, fails=0):
    context = fw.context()
    for line in range(lines):
        print("line", line, flush=True)
        context.log_metric("line", line)
        time.sleep(0.2)
    if context.attempt <= fails:
        raise ValueError("the first attempt")
    return lines
"""
POSTGRESQL = "postgresql://testbed:testbed@10.123.0.1:5432/testbed"


class Machine:
    """One with its own name, home and folder; ``database`` is what it shares."""

    def __init__(self, name, folder, database, config):
        self._name = name
        self._database = database
        self.home, self._folder = folder / "home", folder / "work"
        self.home.mkdir(parents=True)
        self._folder.mkdir()
        shutil.copy(config, self.home)
        self.code = self._folder / "job.py"

    def call(self, *words):
        """What the program wrote."""
        program = Path(sys.executable).parent / "framework"
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self._name, program, *words]
        env = {**os.environ, "FRAMEWORK_HOME": str(self.home), "FRAMEWORK_DB": self._database}
        ended = subprocess.run(
            named, cwd=self._folder, env=env, capture_output=True, text=True, timeout=150, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def start(self, *words):
        """Start a run that nobody follows; its uid."""
        self.code.write_text(f"{CODE}# {self.home}\n")  # no other test has kept the same
        found = json.loads(self.call("run", "job.py:main", "--kind", "job", "--detach", "--json", *words))
        return found["metadata"]["uid"]

    def status(self, uid):
        """As it is shown here."""
        return json.loads(self.call("runs", "show", uid, "--json"))["status"]

    def until(self, uid, wanted):
        """Its status, once it is as wanted."""
        deadline = time.monotonic() + 120
        while not wanted(status := self.status(uid)):
            assert time.monotonic() < deadline, status
            time.sleep(0.5)
        return status


# One after the other: of one database each brings in, and tidies up, what the others have started.
@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))])
def machines(request, home, tmp_path, testbed):
    """The first, which has the code, and the second."""
    database = f"sqlite:///{tmp_path}/shared.db"
    if request.param == "postgresql":
        testbed("service", "postgres", "up")
        database = POSTGRESQL
    return [Machine(name, tmp_path / name, database, home / "config.toml") for name in ("first", "second")]


def _jobs(kubectl, uid):
    return kubectl("get", "jobs", "-l", f"framework/run={uid}", "-o", "json")["items"]


def test_it_follows_to_the_end_and_the_first_sees_that(machines, kubectl):
    first, second = machines
    uid = first.start()
    assert second.call("logs", "-f", uid).splitlines() == [f"line {number}" for number in range(40)]
    status = second.status(uid)
    assert (status["state"], status["results"], status["gaps"]) == ("completed", {"return": 40}, [])
    assert status["metrics"] == {"line": 39}
    assert first.status(uid) == status
    assert first.call("logs", uid) == second.call("logs", uid)
    first.call("runs", "sync")
    assert list((first.home / "jobs").iterdir()) == []
    assert _jobs(kubectl, uid) == []


def test_it_brings_in_what_has_ended_while_nobody_looked(machines, kubectl):
    first, second = machines
    uid = first.start("-p", "lines=2")
    (job,) = _jobs(kubectl, uid)
    kubectl("wait", "--for=condition=complete", f"job/{job['metadata']['name']}", "--timeout=100s")
    second.call("runs", "sync")
    status = second.status(uid)
    assert (status["state"], status["results"]) == ("completed", {"return": 2})
    assert second.call("logs", uid) == "line 0\nline 1\n"
    assert _jobs(kubectl, uid) == []


def test_it_ends_a_run(machines, kubectl):
    first, second = machines
    uid = first.start("-p", "lines=1000")
    second.until(uid, lambda status: status["state"] == "running")
    second.call("abort", uid)
    assert second.until(uid, lambda status: status["state"] != "running")["state"] == "aborted"
    assert first.status(uid)["cause"] == "Aborted"
    assert _jobs(kubectl, uid) == []


def test_it_leaves_an_attempt_to_the_first_whose_code_it_does_not_have(machines):
    first, second = machines
    uid = first.start("-p", "lines=1", "-p", "fails=1", "--retry", "1", "--retry-on", "UserError")
    away = first.home.rename(first.home.with_name("away"))  # which the second could read here, as on no other machine
    first.code.unlink()
    waiting = second.until(uid, lambda status: status.get("retry"))
    second.call("runs", "sync")
    assert (second.status(uid)["state"], waiting["attempts"][0]["cause"]) == ("pending", "UserError")
    away.rename(first.home)
    first.call("runs", "sync")
    assert second.call("logs", "-f", uid) == "line 0\n"
    status = second.status(uid)
    assert (status["state"], len(status["attempts"])) == ("completed", 2)
