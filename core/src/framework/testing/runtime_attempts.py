"""Attempts after the first, and the limits that they may be raised to."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from framework.databases import RunQuery
from framework.engine.aborting import abort
from framework.engine.collect import collect
from framework.engine.execute import execute
from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.request import RunRequest
from framework.engine.session import Session
from framework.testing.running import PATIENCE
from framework.testing.runtime_engine import EngineSuite

_FAILS_ONCE: Final = """
import framework as fw
def main():
    attempt = fw.context().attempt
    print('attempt', attempt)
    fw.context().log_result('seen', attempt)
    if attempt == 1:
        raise ValueError('once')
    return attempt
"""

_SECOND_FAILS_ONCE: Final = """
import framework as fw
def main(n):
    again = fw.context().attempt > 1
    if n == 1 and not again:
        raise ValueError('once')
    return [n, again]
"""

_HUNGRY: Final = """
def main():
    data = bytearray(220 << 20)
    for place in range(0, len(data), 4096):
        data[place] = 1
    return len(data) >> 20
"""


class AttemptsSuite(EngineSuite):
    """A kind starts one attempt a `submit`, and takes the next one of the same run when that has ended."""

    def test_a_run_that_failed_is_repeated_under_the_same_uid(self, session: Session, tmp_path: Path) -> None:
        """Each attempt has its own log, and the results of the older one are fenced."""
        retry = {"attempts": 2, "on": ["UserError"], "backoff": 0}
        run = execute(session, self.planned(session, tmp_path, _FAILS_ONCE, retry=retry))
        status, uid = run["status"], run["metadata"]["uid"]
        assert (status["state"], status["results"]) == ("completed", {"seen": 2, "return": 2})
        assert [row["state"] for row in status["attempts"]] == ["failed", "completed"]
        assert status["attempts"][0]["results"] == {"seen": 1}
        for attempt in (1, 2):
            chunks = [chunk for chunk in session.database.log(uid, attempt=attempt) if chunk.stream == "stdout"]
            assert b"".join(chunk.data for chunk in chunks) == f"attempt {attempt}\n".encode()
        assert list(session.runtime(self.kind).uncollected()) == []

    def test_an_item_of_a_map_that_failed_is_repeated_and_no_other(self, session: Session, tmp_path: Path) -> None:
        """Whether the kind maps by itself or its items are started one by one."""
        path = tmp_path / "job.py"
        path.write_text(_SECOND_FAILS_ONCE, encoding="utf-8")
        retry = {"attempts": 2, "on": ["UserError"], "backoff": 0}
        request = RunRequest(target=str(path), handler="main", kind=self.kind, retry=retry)
        run = execute_map(session, plan_map(session, request, [{"n": n} for n in range(3)]))
        assert run["status"]["results"] == {"completed": 3, "failed": 0}, run["status"]
        items = session.database.runs(RunQuery(parent=run["metadata"]["uid"], limit=None))
        items = sorted(items, key=lambda item: item["spec"]["iteration"])
        assert [item["status"]["results"] for item in items] == [{"return": [n, n == 1]} for n in range(3)]
        assert [len(item["status"]["attempts"]) for item in items] == [1, 2, 1]
        assert list(session.runtime(self.kind).uncollected()) == []

    def test_a_detached_run_is_repeated_by_whoever_looks(self, session: Session, tmp_path: Path) -> None:
        """Its client is gone when the first attempt fails."""
        self.needs("detach")
        retry = {"attempts": 2, "on": ["UserError"], "backoff": 0}
        run = execute(session, self.planned(session, tmp_path, _FAILS_ONCE, retry=retry), watch=False)
        ended = self._collected(run)
        assert (ended["status"]["state"], len(ended["status"]["attempts"])) == ("completed", 2)

    def test_a_run_that_waits_for_an_attempt_is_aborted(self, session: Session, tmp_path: Path) -> None:
        """From another process, while nothing of it runs anywhere."""
        self.needs("detach", "abort")
        retry = {"attempts": 2, "on": ["UserError"], "backoff": 1e6, "backoff_cap": 1e6}
        run = execute(session, self.planned(session, tmp_path, _FAILS_ONCE, retry=retry), watch=False)
        uid, other, deadline = run["metadata"]["uid"], Session(), time.monotonic() + PATIENCE
        while not other.database.run(uid)["status"].get("retry"):
            collect(other)
            assert time.monotonic() < deadline
            time.sleep(0.02)
        abort(other, uid, 10.0)
        status = session.database.run(uid)["status"]
        assert (status["state"], status["cause"]) == ("aborted", "Aborted")
        assert list(session.runtime(self.kind).uncollected()) == []

    def test_memory_beyond_the_limit_is_out_of_memory(self, session: Session, tmp_path: Path) -> None:
        """With the limit as evidence, and advice."""
        self.needs("limits")
        resources = {"limits": {"memory": "160Mi"}}
        run = execute(session, self.planned(session, tmp_path, _HUNGRY, resources=resources))
        status = run["status"]
        assert (status["state"], status["cause"]) == ("failed", "OutOfMemory"), status
        assert status["advice"]

    def test_after_out_of_memory_the_next_attempt_has_more(self, session: Session, tmp_path: Path) -> None:
        """The limit is raised for the run, and the version stays what it was."""
        self.needs("limits")
        planned = self.planned(
            session,
            tmp_path,
            _HUNGRY,
            resources={"limits": {"memory": "160Mi"}},
            retry={"attempts": 2, "backoff": 0, "memory_factor": 3.0, "memory_cap": "400Mi"},
        )
        run = execute(session, planned)
        status = run["status"]
        assert (status["state"], status["results"]) == ("completed", {"return": 220}), status
        assert [row["state"] for row in status["attempts"]] == ["failed", "completed"]
        assert status["attempts"][1]["resources"]["limits"]["memory"] == "400Mi"
        assert run["spec"]["function"] == planned.run["spec"]["function"]
