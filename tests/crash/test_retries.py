"""SIGKILL at seeded random moments of runs that are repeated; then several who look at once bring them to an end.

FRAMEWORK_CRASH_ROUNDS sets how many runs are started, as in the other harness: here an eighth of them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from framework.databases import RunQuery
from framework.engine.session import Session, current
from framework.models.causes import ENDED

ROUNDS = max(8, int(os.environ.get("FRAMEWORK_CRASH_ROUNDS", "200")) // 8)
ATTEMPTS = 4
LATEST = 2.0  # seconds after the client's start at which somebody is killed
VICTIMS = ("client", "client", "supervisor", "handler", "")


class Round:
    """A run that fails twice by itself, and who of it is killed meanwhile, twice."""

    def __init__(self, number: int, marks: Path, home: Path) -> None:
        chance = random.Random(number)
        self.killed = [(chance.uniform(0.0, LATEST), chance.choice(VICTIMS)) for _ in range(2)]
        self.marks, self.home, self.name = marks, home, f"round-{number}"

    def play(self) -> None:
        target = f"{Path(__file__).with_name('job.py')}:stumble"
        retry = ["--retry", str(ATTEMPTS - 1), "--retry-on", "UserError,Lost", "--retry-backoff", "0.5"]
        client = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "framework",
                "run",
                target,
                "--name",
                self.name,
                "-p",
                f"marks={self.marks}",
                *retry,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for pause, victim in self.killed:
            time.sleep(pause)
            pid = client.pid if victim == "client" else self._pid(victim)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        client.wait(90)

    def _pid(self, victim: str) -> int | None:
        """The supervisor or the handler of the attempt that runs now."""
        for path in (self.home / "runs").glob("*/submission.json"):
            try:
                if json.loads(path.read_bytes())["run"]["name"] != self.name:
                    continue
                supervisor = int(json.loads((path.parent / "lock").read_bytes())["pid"])
                if victim == "supervisor":
                    return supervisor
                if victim == "handler":
                    return int(Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()[0])
            except (OSError, ValueError, KeyError, IndexError):
                continue
        return None


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home, marks = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("marks")
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("FRAMEWORK_")}
    os.environ["FRAMEWORK_HOME"] = str(home)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Round.play, [Round(number, marks, home) for number in range(ROUNDS)]))
    session, deadline = current(), time.monotonic() + 200
    while any(run["status"]["state"] not in ENDED for run in session.database.runs(RunQuery(limit=None))):
        assert time.monotonic() < deadline, "a run does not come to its end"
        words = [sys.executable, "-m", "framework", "runs", "sync"]
        for process in [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]:
            _, err = process.communicate(timeout=90)
            assert process.returncode == 0, err
    yield session, marks
    del os.environ["FRAMEWORK_HOME"]
    os.environ.update(before)


@pytest.mark.crash
@pytest.mark.timeout(600)
class TestAfterTheKilling:
    def test_no_attempt_was_started_twice(self, played: tuple[Session, Path]) -> None:
        begun = Counter(path.name.rpartition(".")[0] for path in played[1].iterdir())
        assert begun
        assert set(begun.values()) == {1}

    def test_every_run_has_its_attempts_in_order_and_no_more_than_it_may(self, played: tuple[Session, Path]) -> None:
        for run in played[0].database.runs(RunQuery(limit=None)):
            numbers = [row["number"] for row in run["status"]["attempts"]]
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) <= ATTEMPTS
            assert run["status"]["retry"] == {}

    def test_an_end_is_the_last_attempts_own(self, played: tuple[Session, Path]) -> None:
        for run in played[0].database.runs(RunQuery(limit=None)):
            status, last = run["status"], run["status"]["attempts"][-1]
            assert status["state"] == last["state"]
            if status["state"] == "completed":
                assert status["results"] == {"return": last["number"]}
            else:
                assert (status["cause"], last["number"]) in {("UserError", ATTEMPTS), ("Lost", ATTEMPTS)}

    def test_each_attempt_has_its_own_log(self, played: tuple[Session, Path]) -> None:
        database = played[0].database
        for run in database.runs(RunQuery(limit=None)):
            for row in run["status"]["attempts"]:
                chunks = database.log(run["metadata"]["uid"], attempt=row["number"])
                text = b"".join(chunk.data for chunk in chunks if chunk.stream == "stdout").decode()
                assert text in {"", f"attempt {row['number']}\n"}
                assert text or row["state"] != "completed"

    def test_nothing_is_left_behind(self, played: tuple[Session, Path]) -> None:
        names = [path.name for path in (played[0].home / "runs").iterdir()]
        assert [name for name in names if not name.startswith(".") and not name.endswith(".gone")] == []
