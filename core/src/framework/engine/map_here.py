"""The map of a kind that has nothing better: this process starts one item after another, some at once."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from attrs import define

from framework.databases import RunQuery
from framework.engine import live
from framework.engine.execute import Follower, see_through
from framework.engine.map_ends import OPEN, conclude, progress, said
from framework.engine.retrying import start_due
from framework.engine.reusing import reuse_for, ttl_of
from framework.engine.stopping import stop
from framework.errors import FrameworkError, UsageError
from framework.home import live_dir
from framework_run import ends
from framework_run.events import observed_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.databases import ActiveRun, Document
    from framework.engine.listening import OnEvent
    from framework.engine.map_plan import PlannedMap
    from framework.engine.session import Session
    from framework.runtimes import Handle, Submission

_LOOK: Final = 0.1  # seconds between two looks at requests to end
_SAY: Final = 0.5  # seconds between two records of the progress
_GRACE: Final = 10.0  # seconds, as in a submission that says nothing


@define(kw_only=True)
class Work:
    """What is to be done for a map, which also another process than the one that has planned it can do.

    Args:
        run: The document of the run that maps.
        kind: The kind of its items.
        items: Their submissions.
        parallelism: How many run at once, at most; 0 for as many as there is room for.
        ttl: How old a run may be that an item reuses, in seconds; None for any age.
    """

    run: Document
    kind: str
    items: Sequence[Submission]
    parallelism: int
    ttl: float | None

    @classmethod
    def of(cls, planned: PlannedMap) -> Work:
        """That of a plan."""
        kind, ttl = planned.base.function.kind, ttl_of(planned.base)
        return cls(run=planned.run, kind=kind, items=planned.items, parallelism=planned.parallelism, ttl=ttl)


class MapHere:
    """A map whose items this process starts.

    Args:
        session: Where it is recorded.
        work: What is to be done.
        on_event: Is told of each event, from several threads, one at a time.
    """

    def __init__(self, session: Session, work: Work, on_event: OnEvent | None) -> None:
        self._session = session
        self._work = work
        self._uid = str(work.run["metadata"]["uid"])
        self._runtime = session.runtime(work.kind)
        self._tell = on_event
        self._waiting = iter(range(len(work.items)))
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._over = 0  # threads that are through
        self._wake: SimpleQueue[None] = SimpleQueue()  # has an entry for each of them
        self._stop = False
        self._asked = 0  # how often it was asked to end
        self._done = self._failed = self._reused = 0

    def run(self) -> Document:
        """Run every item; returns the document of the ended map."""
        run = self._work.run
        self._session.database.create_run(
            {**run, "status": {**run["status"], "state": "running"}}, handle=self._handle()
        )
        self._say("state", {"state": "running", "host": os.uname().nodename, "pid": os.getpid()})
        threads = [threading.Thread(target=self._start_items, daemon=True) for _ in range(self._width())]
        for thread in threads:
            thread.start()
        self._see_through(len(threads))
        _marker(self._session.home, self._uid).unlink(missing_ok=True)
        if self._failure is not None:
            raise self._failure
        document = conclude(self._session.database, run, aborted=bool(self._asked))
        self._report(self._progress_event())
        return document

    def _width(self) -> int:
        return min(self._work.parallelism or os.cpu_count() or 1, len(self._work.items))

    def _handle(self) -> Handle:
        return {**live.handle(self._session.home), "kind": "map", "of": self._work.kind}

    def _see_through(self, threads: int) -> None:
        """Wait for the threads to be through.

        They are counted and not joined: up to Python 3.12, a thread whose `join` was interrupted by Ctrl-C is taken for
        ended while it lives (github.com/python/cpython/issues/90882).
        """
        marker, said_at, shown = _marker(self._session.home, self._uid), time.monotonic(), 0
        interrupts = answered = 0
        while self._over < threads:
            try:
                while answered < interrupts:  # here, so that one more Ctrl-C meanwhile is heard as well
                    answered += 1
                    self._end(0.0 if self._asked else _GRACE)
                with suppress(Empty):
                    self._wake.get(timeout=_LOOK)
                if not self._asked and marker.exists():
                    self._end(_grace_in(marker))
                if self._done != shown and time.monotonic() - said_at > _SAY:
                    said_at, shown = time.monotonic(), self._done
                    self._progress()
            except KeyboardInterrupt:
                interrupts += 1

    def _end(self, grace: float) -> None:
        """Ask what runs to end, and start nothing more."""
        self._asked += 1
        self._stop = True
        with self._lock:
            running = list(self._running)
        for uid in running:
            stop(self._session, uid, grace)

    def _start_items(self) -> None:
        """Start one item after another, until there is none."""
        try:
            while (index := self._next()) is not None:
                self._item(index)
        except BaseException as error:  # noqa: BLE001  it belongs to who waits for the threads
            self._failure = self._failure or error
            self._stop = True
        finally:
            with self._lock:
                self._over += 1
            self._wake.put(None)

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stop else next(self._waiting, None)

    def _item(self, index: int) -> None:
        submission = self._work.items[index]
        reused = reuse_for(self._session, submission.document["record"], self._work.ttl)
        document = reused or self._seen_through(submission)
        with self._lock:
            self._running.discard(submission.uid)
            self._done += 1
            self._failed += document["status"]["state"] != "completed"
            self._reused += reused is not None

    def _seen_through(self, submission: Submission) -> Document:
        record = submission.document["record"]
        try:
            handle = self._runtime.submit(submission)
        except FrameworkError as error:
            return self._refused(record, error)
        self._session.database.create_run(record, handle=handle)
        with self._lock:
            self._running.add(submission.uid)
        if self._stop:  # it was asked to end while this was on its way
            stop(self._session, submission.uid, _GRACE)
        return see_through(self._session, submission.uid, handle, self._report)

    def _refused(self, record: Document, error: FrameworkError) -> Document:
        """An item that could not be started has a run that says so."""
        self._session.database.create_run(record)
        uid = record["metadata"]["uid"]
        end = {**ends.backend(error.message, advice=error.advice), "retryable": False}
        return self._session.database.apply(uid, [observed_end({"uid": uid}, end)])

    def _progress_event(self) -> dict[str, Any]:
        return progress(self._work.run, self._done, self._failed, self._reused)

    def _progress(self) -> None:
        event = self._progress_event()
        self._session.database.apply(self._uid, [event])
        self._report(event)

    def _say(self, kind: str, data: dict[str, Any]) -> None:
        event = said(self._work.run, kind, data)
        self._session.database.apply(self._uid, [event])
        self._report(event)

    def _report(self, event: dict[str, Any]) -> None:
        if self._tell is not None:
            with self._lock:
                self._tell(event)


def ask_to_end(session: Session, run: ActiveRun, grace: float) -> None:
    """Ask the process that maps to end its items, from another process."""
    handle = run.handle or {}
    if not live.is_alive(handle):
        raise UsageError(f"the process that maps {run.uid} is gone", advice="See: framework runs sync")
    marker = _marker(session.home, run.uid)
    marker.write_text(str(grace), encoding="ascii")


def bring(session: Session, run: ActiveRun) -> bool:
    """Bring a map up to date whose process is gone; whether it has ended."""
    if live.is_alive(run.handle or {}):
        return False
    runtime = session.runtime((run.handle or {})["of"])
    is_open = False
    for item in session.database.runs(RunQuery(parent=run.uid, states=OPEN, limit=None)):
        active = session.database.active_run(item["metadata"]["uid"])
        if active.handle is None:  # it was recorded, and its start was never reached
            end = ends.lost("the process that mapped it was gone before it was started")
            session.database.apply(active.uid, [observed_end({"uid": active.uid}, end)])
        else:
            document = Follower(session, runtime, active.uid, active.handle, cursor=active.cursor).catch_up()
            start_due(session, document)
            is_open |= document["status"]["state"] in OPEN
    if not is_open:
        conclude(session.database, run.document, why_missing="the process that mapped it is gone")
    return not is_open


def _marker(home: Path, uid: str) -> Path:
    """The file by which another process asks a map to end."""
    return live_dir(home) / f"{uid}.abort"


def _grace_in(marker: Path) -> float:
    try:
        return float(marker.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return _GRACE
