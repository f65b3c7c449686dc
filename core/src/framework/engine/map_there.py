"""The map of a kind that starts many runs as one: its events are told apart by run, and recorded by the batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from framework.databases import RunQuery
from framework.engine import live
from framework.engine.map_again import Repeats
from framework.engine.map_ends import OPEN, conclude, count, progress, reused, said
from framework.engine.notifications import tell
from framework.engine.reusing import reuse_for, ttl_of
from framework.models.causes import ENDED
from framework_run.events import Event, observed_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.databases import ActiveRun, Document
    from framework.engine.listening import OnEvent
    from framework.engine.map_plan import PlannedMap
    from framework.engine.session import Session
    from framework.runtimes import Cursor, Handle, Observation, Runtime

_SAY: Final = 0.5  # seconds between two records of progress and cursor
_GRACE: Final = 10.0  # seconds, as in a submission that says nothing
_PAUSE: Final = 0.3  # seconds between two looks at items that are in a further attempt, when the others have ended


def start(session: Session, planned: PlannedMap) -> Handle | None:
    """Record a map with its items, and start it: those of its items that reuse no other run.

    Until it is started its handle is that of a map whose items this process starts: if that dies before, they have not
    run, and whoever looks next says so.

    Returns:
        Its handle; None where every item has reused another run, and the map has ended with that.

    Raises:
        BackendError: It was not started; nothing is recorded.
    """
    run, places, ttl = planned.run, [], ttl_of(planned.base)
    here = {**live.handle(session.home), "kind": "map", "of": planned.base.function.kind}
    session.database.create_run({**run, "status": {**run["status"], "state": "pending"}}, handle=here)
    try:
        for records in planned.items.records():
            waiting = [record for record in records if reuse_for(session, record, ttl) is None]
            session.database.create_runs(waiting)
            places += [record["spec"]["iteration"] - 1 for record in waiting]
        if not places:
            tell(session, conclude(session.database, run))
            return None
        handle = session.runtime(planned.base.function.kind).map(planned.items.only(places), planned.parallelism)
    except BaseException:
        session.database.delete_runs([planned.uid])
        raise
    session.database.set_handle(planned.uid, handle)
    return handle


class MapFollower:
    """Brings the events of a map's items into the database as they come.

    Args:
        session: Where they are recorded.
        runtime: The runtime of the map.
        run: The document of the run that maps.
        handle: Its handle.
        on_event: Is told of each event after it has been recorded.
        cursor: Where to begin; None where nobody has followed it yet.
    """

    def __init__(  # noqa: PLR0913  what one map takes
        self,
        session: Session,
        runtime: Runtime,
        run: Document,
        handle: Handle,
        on_event: OnEvent | None = None,
        *,
        cursor: Cursor | None = None,
    ) -> None:
        self._session = session
        self._database = session.database
        self._runtime = runtime
        self._run = run
        self._handle = handle
        self._tell = on_event or _nobody
        self._cursor: Cursor = cursor or {}
        self._said_at = 0.0
        self._interrupts = 0
        self._is_over = False  # what the kind has started as one
        self._repeats = Repeats(session, run, self._tell)
        if cursor is not None:
            self._repeats.recall()

    @property
    def _uid(self) -> str:
        return str(self._run["metadata"]["uid"])

    def follow(self) -> Document:
        """Follow to the end; returns the ended map's document."""
        answered = 0
        while True:
            try:
                while answered < self._interrupts:  # here, so that one more Ctrl-C meanwhile is heard as well
                    answered += 1
                    self._ask_to_end(_GRACE if answered == 1 else 0.0)
                if self._is_over:
                    time.sleep(_PAUSE)
                else:
                    self._bring(wait=True)
                self._repeat()
                if self.conclude():
                    return self._database.run(self._uid)
            except KeyboardInterrupt:
                self._interrupts += 1

    def follow_while(self, is_wanted: Callable[[], bool]) -> bool:
        """Follow what the kind has started as one for as long as it is wanted and goes on; nobody is asked to end.

        Args:
            is_wanted: Is asked at least every second or so.

        Returns:
            Whether the map has ended.
        """
        self._bring(wait=True, is_wanted=is_wanted)
        if is_wanted():
            self._repeat()
        return self.conclude()

    def catch_up(self, *, repeat: bool = True) -> bool:
        """Bring in what is there now; whether the map has ended.

        Args:
            repeat: Whether to look after items that are in further attempts as well, which asks the backend.
        """
        self._bring(wait=False)
        if repeat:
            self._repeat()
        return self.conclude()

    def _ask_to_end(self, grace: float) -> None:
        """End what runs; that nothing is repeated is noted first, for whoever looks when this process is gone."""
        self._database.apply(self._uid, [said(self._run, "abort", {})])
        self._runtime.cancel(self._handle, grace)
        self._repeats.end(grace)

    def _repeat(self) -> None:
        self._repeats.look(stopping=self._interrupts > 0)

    def conclude(self) -> bool:
        """Note the ends that only an observer can tell, and the map's own when all items have ended.

        Returns:
            Whether they have.
        """
        total = self._run["spec"]["map"]["items"]
        if count(self._database, self._run, *ENDED) < total and not self._observe():
            self._progress(self._cursor)
            return False
        document = conclude(self._database, self._run, aborted=self._is_aborted())
        self._tell(said(document, "progress", document["status"]["progress"]))
        self._runtime.cleanup(self._handle)
        return True

    def _is_aborted(self) -> bool:
        return self._interrupts > 0 or count(self._database, self._run, "aborted") > 0

    def _observe(self) -> bool:
        """Ask the backend; whether the map is over by its word, and every item has an end."""
        if not self._is_over:
            seen = self._runtime.observe(self._handle)
            if seen.alive is not False:
                return False
            self._bring(wait=False)  # what was said between the last look and its death
            self._is_over = self._end_others(seen)
        return count(self._database, self._run, *OPEN) == 0

    def _end_others(self, seen: Observation) -> bool:
        """Note the ends of the items that left none, but for those that are in a further attempt, or wait for one.

        Returns:
            Whether all but those have an end now.
        """
        others = [
            item
            for item in self._database.runs(RunQuery(parent=self._uid, states=OPEN, limit=None))
            if not self._repeats.has(item)
        ]
        ends = [(item, seen.ends.get(item["metadata"]["uid"], seen.end)) for item in others]
        known = {item["metadata"]["uid"]: (_attempt(item), dict(end)) for item, end in ends if end is not None}
        self._apply({uid: [observed_end({"uid": uid, "attempt": n}, end)] for uid, (n, end) in known.items()})
        return len(known) == len(others)

    def _bring(self, *, wait: bool, is_wanted: Callable[[], bool] = lambda: True) -> None:
        for events, cursor in self._runtime.follow(self._handle, self._cursor, wait=wait):
            batches: dict[str, list[Event]] = {}
            for event in events:
                batches.setdefault(event["run"], []).append(event)
            self._apply(batches)
            self._cursor = cursor
            if time.monotonic() - self._said_at > _SAY:
                self._progress(cursor)
            for event in events:
                self._tell(event)
            if not is_wanted():
                return
            if wait:
                self._repeat()

    def _apply(self, batches: dict[str, list[Event]]) -> None:
        if not batches:
            return
        for uid, events in batches.items():
            if any("content" in event["data"] for event in events):
                from framework.engine.contents import stored

                batches[uid] = stored(self._session, uid, events)
        self._repeats.take(self._database.apply_all(batches).values())

    def _progress(self, cursor: Cursor) -> None:
        """Record how far it is, with the cursor."""
        ended = count(self._database, self._run, *ENDED)
        failed = ended - count(self._database, self._run, "completed")
        event = progress(self._run, ended, failed, reused(self._database, self._run))
        events = [event]
        if not self._said_at and self._run["status"].get("state") != "running":  # else it began before this follower
            events.insert(0, said(self._run, "state", {"state": "running"}))
        self._said_at = time.monotonic()
        self._database.apply(self._uid, events, cursor=cursor)
        self._tell(event)


def bring(session: Session, run: ActiveRun) -> bool:
    """Bring a map up to date, as a collector does; whether it has ended."""
    handle: dict[str, Any] = run.handle or {}
    runtime = session.runtime(handle["kind"])
    return MapFollower(session, runtime, run.document, handle, cursor=run.cursor).catch_up()


def _attempt(run: Document) -> int:
    attempts = run["status"].get("attempts") or [{"number": 1}]
    return int(attempts[-1].get("number", 1))


def _nobody(_event: Event) -> None:
    """Nobody listens."""
