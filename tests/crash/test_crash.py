"""SIGKILL of client, supervisor, handler, or all of them, at seeded random moments; then the promises are checked.

FRAMEWORK_CRASH_ROUNDS sets how many runs are started.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from framework.databases import RunQuery
from framework.engine.collect import collect
from framework.engine.session import Session, current
from framework.models.causes import ENDED

ROUNDS = int(os.environ.get("FRAMEWORK_CRASH_ROUNDS", "200"))
STEPS = 20
EARLIEST, LATEST = 0.05, 0.9  # seconds after the client's start at which somebody is killed, in every third round
WITHIN = 0.3  # seconds after the run's start, in the others: it takes about 0.2 by itself
VICTIMS = (
    ("client",),
    ("supervisor",),
    ("handler",),
    ("client", "supervisor", "handler"),
    ("client", "supervisor"),
    (),
)


class Round:
    """One run that is started by a client of its own, and who of it is killed."""

    def __init__(self, number: int, folder: Path, home: Path) -> None:
        chance = random.Random(number)
        self.victims = chance.choice(VICTIMS)
        self.by_run = number % 3 != 0
        self.moment = chance.uniform(0.0, WITHIN) if self.by_run else chance.uniform(EARLIEST, LATEST)
        self.folder, self.home, self.name = folder, home, f"round-{number}"

    def play(self) -> None:
        target = f"{Path(__file__).with_name('job.py')}:work"
        words = ["run", target, "--name", self.name, "-p", f"marks={self.folder}", "-p", f"steps={STEPS}"]
        client = subprocess.Popen(
            [sys.executable, "-m", "framework", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while self.by_run and client.poll() is None and not self._supervisors():
            time.sleep(0.01)
        time.sleep(self.moment)
        for victim in self.victims:
            pid = client.pid if victim == "client" else self._pid(victim)
            if pid is not None:
                _kill(pid)
        client.wait(60)

    def _pid(self, victim: str) -> int | None:
        supervisor = next(iter(self._supervisors()), None)
        if supervisor is None or victim == "supervisor":
            return supervisor
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
        try:
            return int(children.read_text().split()[0])
        except (OSError, IndexError):
            return None

    def _supervisors(self) -> list[int]:
        pids = []
        for path in (self.home / "runs").glob("*/submission.json"):
            try:
                if json.loads(path.read_bytes())["run"]["name"] == self.name:
                    pids.append(int(json.loads((path.parent / "lock").read_bytes())["pid"]))
            except (OSError, ValueError, KeyError):
                continue
        return pids


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Path, dict[str, Round]]:
    home, marks = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("marks")
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("FRAMEWORK_")}
    os.environ["FRAMEWORK_HOME"] = str(home)
    rounds = [Round(number, marks, home) for number in range(ROUNDS)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Round.play, rounds))
    session = current()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        collect(session)
        if all(run["status"]["state"] in ENDED for run in session.database.runs(RunQuery(limit=None))):
            break
        time.sleep(0.2)
    yield session, marks, {each.name: each for each in rounds}
    del os.environ["FRAMEWORK_HOME"]
    os.environ.update(before)


Played = tuple[Session, Path, dict[str, Round]]


def _runs(played: Played) -> list[dict[str, Any]]:
    return played[0].database.runs(RunQuery(limit=None))


def _never_started(run: dict[str, Any]) -> bool:
    """Whether its client died after the run was recorded and before it had started a supervisor."""
    return "its supervisor was never started" in run["status"].get("message", "")


@pytest.mark.crash
@pytest.mark.timeout(600)
class TestAfterTheKilling:
    def test_runs_were_started_and_of_several_ends(self, played: Played) -> None:
        states = {run["status"]["state"] for run in _runs(played)}
        assert states == {"completed", "failed"}

    def test_every_run_has_ended(self, played: Played) -> None:
        assert [run["metadata"]["uid"] for run in _runs(played) if run["status"]["state"] not in ENDED] == []

    def test_nobody_is_completed_who_was_not(self, played: Played) -> None:
        for run in _runs(played):
            if run["status"]["state"] == "completed":
                assert (played[1] / run["metadata"]["uid"]).exists()
                assert run["status"]["results"] == {"steps": STEPS, "return": STEPS}

    def test_whoever_came_to_the_end_with_a_supervisor_is_completed(self, played: Played) -> None:
        for run in _runs(played):
            victims = set(played[2][run["metadata"]["name"]].victims)
            if {"supervisor", "handler"} & victims or ("client" in victims and _never_started(run)):
                continue
            assert run["status"]["state"] == "completed", run["status"]

    def test_a_failure_says_its_cause(self, played: Played) -> None:
        for run in _runs(played):
            status = run["status"]
            if status["state"] == "failed":
                assert status["cause"] == "Lost", status
                assert status["message"]
                assert status["advice"]

    def test_nothing_is_there_twice_and_nothing_that_is_whole_is_missing(self, played: Played) -> None:
        database = played[0].database
        for run in _runs(played):
            uid = run["metadata"]["uid"]
            steps = [step for step, _, _ in database.metric(uid, "step")]
            lines = b"".join(piece.data for piece in database.log(uid) if piece.stream == "stdout").splitlines()
            assert steps == list(range(len(steps)))
            assert lines == [f"step {number}".encode() for number in range(len(lines))]
            if run["status"]["state"] == "completed":
                assert (len(steps), len(lines)) == (STEPS, STEPS)

    def test_nothing_is_left_behind(self, played: Played) -> None:
        names = [path.name for path in (played[0].home / "runs").iterdir()]
        hidden = [name for name in names if name.startswith(".") and not name.endswith(".gone")]
        assert sorted(names) == sorted(hidden)  # a spool that its client died over while it made it has an hour to go
