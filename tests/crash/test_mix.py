"""Everything at once: runs, repeated runs, aborts, replays and merges of two homes, and SIGKILL among them, seeded.

FRAMEWORK_CRASH_ACTIONS sets how much is done.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from framework.databases import Database, RunQuery
from framework.engine.collect import collect
from framework.engine.session import Session
from framework.engine.transfer.checking import check
from framework.engine.transfer.merging import Merger, merge_database
from framework.models.causes import ENDED

ACTIONS = int(os.environ.get("FRAMEWORK_CRASH_ACTIONS", "40"))
STEPS = 20
LATEST = 0.8  # seconds after its start at which a command is killed, if it is
REPEATED = ["--retry", "2", "--retry-on", "UserError", "--retry-backoff", "0.1s"]
TARGET = Path(__file__).with_name("job.py")


class Mix:
    """Two homes, and what is done to them."""

    def __init__(self, folder: Path) -> None:
        self.homes = [folder / "a", folder / "b"]
        self.marks = folder / "marks"
        self.marks.mkdir()

    def act(self, number: int) -> None:
        """One command in one of the homes; some are killed on their way, with what they have started or without."""
        chance = random.Random(number)
        home = chance.choice(self.homes)
        command = _start(home, self._words(chance, home))
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0.0, LATEST))
            if chance.random() < 0.4:
                self._kill_runners(chance, home)
            command.send_signal(signal.SIGKILL)
        command.wait(100)

    def act_unkilled(self) -> None:
        """A run that fails and one that is repeated, whatever became of the others."""
        for options in ([], REPEATED):
            _start(self.homes[0], ["run", f"{TARGET}:stumble", *self._marks, "-p", "times=1", *options]).wait(100)

    @property
    def _marks(self) -> list[str]:
        return ["-p", f"marks={self.marks}"]

    def _words(self, chance: random.Random, home: Path) -> list[str]:
        what = chance.choice(["run", "run", "run", "repeat", "repeat", "abort", "replay", "merge", "merge"])
        if what == "repeat":
            return ["run", f"{TARGET}:stumble", *self._marks, "-p", "times=1", *REPEATED]
        uid = _some_run(chance, home) if what in {"abort", "replay"} else ""
        if what == "merge":
            other = self.homes[1 - self.homes.index(home)]
            return ["db", "merge", str(other)] if (other / "framework.db").exists() else ["runs", "sync"]
        if uid:
            return ["abort", "--grace", "1", uid] if what == "abort" else ["replay", uid]
        return ["run", f"{TARGET}:work", *self._marks, "-p", f"steps={STEPS}"]

    def _kill_runners(self, chance: random.Random, home: Path) -> None:
        """Kill the supervisor of one run, which takes the handler with it."""
        for lock in chance.sample(found := sorted((home / "runs").glob("*/lock")), min(1, len(found))):
            with suppress(OSError, ValueError, KeyError):
                os.kill(int(json.loads(lock.read_bytes())["pid"]), signal.SIGKILL)


def _start(home: Path, words: list[str]) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
    return subprocess.Popen(
        [sys.executable, "-m", "framework", *words],
        env={**environment, "FRAMEWORK_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _some_run(chance: random.Random, home: Path) -> str:
    """The uid of a run of a home; empty where there is none."""
    if not (home / "framework.db").exists():
        return ""
    database = _database(home)
    try:
        uids = [run["metadata"]["uid"] for run in database.runs(RunQuery(limit=None))]
    finally:
        database.close()
    return chance.choice(sorted(uids)) if uids else ""


def _database(home: Path) -> Database:
    from framework.plugins.manager import Plugins

    return Plugins().database(f"sqlite:///{home}/framework.db")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mix, list[Session]]]:
    mix = Mix(tmp_path_factory.mktemp("mix"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(mix.act, range(ACTIONS)))
    mix.act_unkilled()
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("FRAMEWORK_")]:
        del os.environ[name]
    sessions = [_at_rest(home) for home in mix.homes]
    changed = True
    while changed:
        changed = False
        for source, target in (sessions, sessions[::-1]):
            merger = Merger(target.database, target.storage)
            merge_database(source.database, merger, lambda uri, session=source: session.storage_of(uri).open(uri))
            changed = changed or merger.report.changed
    yield mix, sessions
    for session in sessions:
        session.database.close()
    os.environ.clear()
    os.environ.update(before)


def _at_rest(home: Path) -> Session:
    """The session of a home, when all that was started there has ended."""
    os.environ["FRAMEWORK_HOME"] = str(home)
    session = Session()
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        collect(session)
        own = [run for run in session.database.active_runs() if run.handle is not None]
        open_ = [run for run in own if run.document["status"]["state"] not in ENDED]
        if not open_ and not any((home / "runs").glob("[0-9a-f]*")):
            break
        time.sleep(0.2)
    return session


def _runs(mixed: tuple[Mix, list[Session]]) -> list[dict[str, Any]]:
    return mixed[1][0].database.runs(RunQuery(limit=None))


@pytest.mark.crash
@pytest.mark.timeout(600)
class TestAfterTheMix:
    def test_there_was_something_of_everything(self, mixed: tuple[Mix, list[Session]]) -> None:
        runs = _runs(mixed)
        assert {run["status"]["state"] for run in runs} >= {"completed", "failed"}
        assert any(len(run["status"]["attempts"]) > 1 for run in runs)
        assert len(runs) > ACTIONS // 4

    def test_every_run_has_ended(self, mixed: tuple[Mix, list[Session]]) -> None:
        assert [run["metadata"]["uid"] for run in _runs(mixed) if run["status"]["state"] not in ENDED] == []

    def test_both_databases_are_equal(self, mixed: tuple[Mix, list[Session]]) -> None:
        stamps = [dict(session.database.run_stamps()) for session in mixed[1]]
        assert stamps[0] == stamps[1]
        versions = [[each["status"]["version"] for each in session.database.functions()] for session in mixed[1]]
        assert versions[0] == versions[1]

    def test_nobody_is_completed_who_was_not_and_every_failure_has_a_cause(
        self, mixed: tuple[Mix, list[Session]]
    ) -> None:
        for run in _runs(mixed):
            status, uid = run["status"], run["metadata"]["uid"]
            if status["state"] == "completed":
                assert list(mixed[0].marks.glob(f"{uid}*")), run
            else:
                assert status["cause"] in {"Lost", "Aborted", "UserError"}, status
                assert status["message"]

    def test_nothing_is_there_twice(self, mixed: tuple[Mix, list[Session]]) -> None:
        for session in mixed[1]:
            for run in _runs(mixed):
                uid = run["metadata"]["uid"]
                steps = [step for step, _, _ in session.database.metric(uid, "step")]
                assert steps == list(range(len(steps)))
                for attempt in run["status"]["attempts"]:
                    chunks = session.database.log(uid, attempt=attempt["number"])
                    lines = b"".join(piece.data for piece in chunks if piece.stream == "stdout").splitlines()
                    assert len(lines) == len(set(lines))

    def test_what_is_kept_is_whole(self, mixed: tuple[Mix, list[Session]]) -> None:
        for session in mixed[1]:
            wrong = [finding for finding in check(session, session.database, contents=True) if not finding.ok]
            assert wrong == []

    def test_nothing_is_left_behind(self, mixed: tuple[Mix, list[Session]]) -> None:
        for home in mixed[0].homes:
            assert [path.name for path in (home / "runs").iterdir() if not path.name.startswith(".")] == []
