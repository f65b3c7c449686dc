"""The kind behind the engine: plan, execute, collect, as every command does it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from framework.databases import Document, RunQuery
from framework.engine.collect import collect
from framework.engine.execute import execute
from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.plan import Planned, plan
from framework.engine.request import RunRequest
from framework.engine.session import Session
from framework.models.causes import ENDED
from framework.runtimes import Handle
from framework.testing.running import PATIENCE, RuntimeCase
from framework_run.events import Event


class EngineSuite(RuntimeCase):
    """What is in the database afterwards. Needs a plugin for the default database and storage."""

    @pytest.fixture
    def session(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
        """A session in the test's home."""
        for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FRAMEWORK_HOME", str(home))
        return Session()

    def planned(self, session: Session, folder: Path, code: str, **over: Any) -> Planned:
        """A plan of a file's function ``main``."""
        path = folder / "job.py"
        path.write_text(code, encoding="utf-8")
        return plan(session, RunRequest(target=str(path), handler="main", kind=self.kind, **over))

    def test_a_run_is_recorded_and_cleaned_up(self, session: Session, tmp_path: Path) -> None:
        """With its results and its output, and nothing is left at the backend."""
        run = execute(
            session, self.planned(session, tmp_path, "def main(n: int):\n print('hello')\n return n", params={"n": 3})
        )
        uid = run["metadata"]["uid"]
        assert run["status"]["state"] == "completed"
        assert session.database.run(uid)["status"]["results"] == {"return": 3}
        assert b"".join(chunk.data for chunk in session.database.log(uid) if chunk.stream == "stdout") == b"hello\n"
        assert list(session.runtime(self.kind).uncollected()) == []

    def test_a_failed_run_is_recorded_as_such(self, session: Session, tmp_path: Path) -> None:
        """With its cause and the user's traceback."""
        run = execute(session, self.planned(session, tmp_path, "def main(): raise ValueError('the reason')"))
        assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "UserError")
        assert "the reason" in run["status"]["traceback"]

    def test_a_detached_run_is_collected_by_whoever_looks_next(self, session: Session, tmp_path: Path) -> None:
        """By another session, with its true end."""
        self.needs("detach")
        run = execute(session, self.planned(session, tmp_path, "def main(): return 5"), watch=False)
        ended = self._collected(run)
        assert ended["status"]["state"] == "completed"
        assert ended["status"]["results"] == {"return": 5}

    def test_a_detached_map_is_collected_by_whoever_looks_next(self, session: Session, tmp_path: Path) -> None:
        """Nobody has to stay: where the kind does not map by itself, a process of its own starts the items."""
        self.needs("detach")
        path = tmp_path / "job.py"
        path.write_text("def main(n): return n * n", encoding="utf-8")
        request = RunRequest(target=str(path), handler="main", kind=self.kind)
        run = execute_map(session, plan_map(session, request, [{"n": n} for n in range(3)], 2), watch=False)
        ended = self._collected(run)
        assert (ended["status"]["state"], ended["status"]["results"]) == ("completed", {"completed": 3, "failed": 0})
        items = session.database.runs(RunQuery(parent=run["metadata"]["uid"], limit=None))
        found = {item["spec"]["iteration"]: item["status"]["results"] for item in items}
        assert found == {1: {"return": 0}, 2: {"return": 1}, 3: {"return": 4}}

    def test_a_run_that_its_client_never_recorded_is_adopted(self, session: Session, tmp_path: Path) -> None:
        """As when it died between the submission and the database."""
        self.needs("detach")
        planned = self.planned(session, tmp_path, "def main(): return 6")
        session.runtime(self.kind).submit(planned.submission)
        ended = self._collected(planned.run)
        assert ended["status"]["state"] == "completed"
        assert ended["status"]["results"] == {"return": 6}

    def test_a_vanished_run_is_ended_by_whoever_looks_next(self, session: Session, tmp_path: Path) -> None:
        """As lost, with advice; and once."""
        self.needs("detach", "process")
        planned = self.planned(session, tmp_path, "import time\ndef main():\n print('ready')\n time.sleep(60)")
        run = execute(session, planned, watch=False)
        handle = session.database.active_run(run["metadata"]["uid"]).handle
        assert handle is not None
        os.kill(self._supervisor(session, handle), signal.SIGKILL)
        ended = self._collected(run)
        assert (ended["status"]["state"], ended["status"]["cause"]) == ("failed", "Lost")
        assert ended["status"]["advice"]
        assert collect(Session()) == []

    def test_an_interrupt_asks_and_the_run_is_aborted(self, session: Session, tmp_path: Path) -> None:
        """Ctrl-C in the client ends the run, and its end is recorded."""
        self.needs("abort")
        planned = self.planned(session, tmp_path, "import time\ndef main():\n print('ready')\n time.sleep(60)")

        def interrupt(event: Event) -> None:
            if event["kind"] == "log":
                raise KeyboardInterrupt

        run = execute(session, planned, on_event=interrupt)
        assert (run["status"]["state"], run["status"]["cause"]) == ("aborted", "Aborted")

    def _supervisor(self, session: Session, handle: Handle) -> int:
        """The parent of the handler's process."""
        for events, _ in session.runtime(self.kind).follow(handle, {}):
            for event in events:
                if event["kind"] == "state":
                    text = Path(f"/proc/{event['data']['pid']}/stat").read_text(encoding="ascii", errors="replace")
                    return int(text.rpartition(")")[2].split()[1])  # field 4 of proc(5)
        raise AssertionError("the run did not begin")

    @staticmethod
    def _collected(run: Document) -> Document:
        """The run once it has ended, as another process's session finds it."""
        other, deadline = Session(), time.monotonic() + PATIENCE
        while True:
            collect(other)
            found = other.database.run(run["metadata"]["uid"])
            if found["status"]["state"] in ENDED:
                return found
            assert time.monotonic() < deadline, found["status"]
            time.sleep(0.02)
