"""From a plan to a run: submit, follow, record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from framework.databases import Document
from framework.engine.inline import InlineRun
from framework.engine.keeping import keep_function
from framework.engine.notifications import tell
from framework.engine.reusing import reuse
from framework.errors import DatabaseError
from framework.models.causes import ENDED
from framework_run.events import Event

if TYPE_CHECKING:
    from framework.databases import ActiveRun
    from framework.engine.listening import OnEvent
    from framework.engine.plan import Planned
    from framework.engine.session import Session
    from framework.runtimes import Cursor, Handle, Runtime

_SPENT: Final = "spent"  # in a handle: nothing is left of it at its backend


def execute(session: Session, planned: Planned, *, watch: bool = True, on_event: OnEvent | None = None) -> Document:
    """Start a run, and unless told otherwise follow it to its end.

    A KeyboardInterrupt asks the run to end; a second one ends it.

    Args:
        session: Where it is recorded.
        planned: What is run.
        watch: Whether to wait for the end.
        on_event: Is told of each event after it has been recorded.

    Returns:
        The run's document: the ended run's when it was watched.
    """
    if (reused := reuse(session, planned)) is not None:
        return reused
    if planned.request.inline:
        keep_function(session, planned)
        return InlineRun(session, planned, on_event).run()[1]
    runtime = session.runtime(planned.function.kind)
    keep_function(session, planned)
    planned.submission.detached = not watch
    planned.run["status"]["environment"] = planned.capture.settle()
    planned.capture.keep(session.database)
    handle = runtime.submit(planned.submission)
    document = {**planned.run, "status": {**planned.run["status"], "state": "pending"}}
    try:
        session.database.create_run(document, handle=handle)
        return see_through(session, planned.submission.uid, handle, on_event) if watch else document
    except DatabaseError as error:
        raise _goes_on(error, planned.submission.uid) from error


def _goes_on(error: DatabaseError, uid: str) -> DatabaseError:
    """The error of a client whose database does not answer: what it has started is none the worse for it."""
    advice = "What it reports is kept until the database answers; then: framework runs sync"
    return DatabaseError(f"{error.message}\nThe run {uid} was started, and goes on", advice=advice)


def see_through(session: Session, uid: str, handle: Handle, on_event: OnEvent | None = None) -> Document:
    """Follow a run to its end, from attempt to attempt; each is started when it is due.

    Args:
        session: Where it is recorded.
        uid: The run.
        handle: The handle of its present attempt.
        on_event: Is told of each event after it has been recorded.

    Returns:
        The ended run's document.
    """
    cursor: Cursor = {}
    while True:
        document = Follower(session, session.runtime(handle["kind"]), uid, handle, on_event, cursor=cursor).follow()
        if document["status"].get("state") in ENDED:
            return document
        from framework.engine.retrying import attempt_of
        from framework.engine.waiting import wait_for_next

        active = wait_for_next(session, uid, attempt_of(handle), on_event)
        if active.document["status"].get("state") in ENDED or active.handle is None:
            return active.document
        handle, cursor = active.handle, active.cursor


def dry_run(session: Session, planned: Planned) -> dict[str, Any]:
    """What would be sent, and what the runtime would create; of what is signed for the run, without the signatures."""
    from framework.documents.dump import dump
    from framework.engine.permissions import without

    rendered = session.runtime(planned.function.kind).render(without(planned.submission))
    return {"function": dump(planned.function), "run": planned.run, "creates": rendered}


class Follower:
    """Brings the events of one attempt of a run into the database as they come.

    Args:
        session: Where they are recorded.
        runtime: The run's runtime.
        uid: The run.
        handle: The attempt's handle.
        on_event: Is told of each event after it has been recorded.
        cursor: Where to begin.
    """

    def __init__(  # noqa: PLR0913  what one run takes
        self,
        session: Session,
        runtime: Runtime,
        uid: str,
        handle: Handle,
        on_event: OnEvent | None = None,
        *,
        cursor: Cursor | None = None,
    ) -> None:
        self._session = session
        self._runtime = runtime
        self._uid = uid
        self._handle = handle
        self._newest = handle
        self._attempt = int(handle.get("run", {}).get("attempt", 1))
        self._on_event = on_event
        self._cursor = of_attempt(cursor or {}, self._attempt)
        self._begun = False  # as far as it was looked at

    def follow(self) -> Document:
        """Follow to the end of the attempt; returns the run's document, which may wait for another attempt."""
        interrupts = answered = 0
        while True:
            try:
                while answered < interrupts:  # here, so that one more Ctrl-C meanwhile is heard as well
                    answered += 1
                    self._ask_to_end(at_once=answered > 1)
                self._bring(wait=True, is_wanted=self._may_wait)
                document = self.conclude()
                if self._row(document).get("state") in ENDED:
                    return document
            except KeyboardInterrupt:
                interrupts += 1

    def follow_while(self, is_wanted: Callable[[], bool]) -> Document:
        """Follow the attempt as long as it is wanted, at most to its end; nobody is asked to end.

        Args:
            is_wanted: Is asked at least every second or so.
        """
        self._bring(wait=True, is_wanted=is_wanted)
        return self.conclude()

    def catch_up(self) -> Document:
        """Bring in what is there now, and the end if it has come."""
        self._bring(wait=False)
        return self.conclude()

    def conclude(self) -> Document:
        """Note an end that only an observer can tell, and clean up after a final one."""
        document = self._look()
        if _is_open(self._row(document)):
            seen = self._runtime.observe(self._handle)
            if seen.alive is False:
                self._bring(wait=False)  # what was written between the last look and its death
                document = self._look()
                if self._row(document).get("state") not in ENDED and seen.end is not None:
                    document = self._observed(document, dict(seen.end))
            elif seen.alive and (end := self._overdue(document)) is not None:
                self._runtime.cancel(self._handle, 0.0)
                document = self._observed(document, {**end, **(seen.waits or {})})
        row = self._row(document)
        if not _is_open(row) or row.get("provisional"):
            document = tell(self._session, document)
            self._clean_up(row, document["status"])
        return document

    def _may_wait(self) -> bool:
        """Whether the attempt has begun, or still has time to."""
        if not self._begun:
            document = self._look()
            self._begun = self._row(document).get("state") == "running" or "pending" not in document["spec"].get(
                "timeouts", {}
            )
            return self._begun or self._overdue(document) is None
        return True

    def _overdue(self, document: Document) -> dict[str, Any] | None:
        if "pending" not in document["spec"].get("timeouts", {}):
            return None
        from framework.engine.pending import overdue

        return overdue(self._session, document, self._handle["kind"], self._attempt)

    def _look(self) -> Document:
        active = self._session.database.active_run(self._uid)
        self._newest = active.handle or self._handle
        return active.document

    def _row(self, document: Document) -> dict[str, Any]:
        """What the run's document says of the attempt: of the last one, where the backend itself has started several.

        Those of a newer handle are not this follower's, nor is one that waits to be started.
        """
        newest = int(self._newest.get("run", {}).get("attempt", 1))
        waits_for = (document["status"].get("retry") or {}).get("attempt")
        beyond = newest if newest > self._attempt else waits_for
        rows: list[dict[str, Any]] = document["status"].get("attempts") or []
        own = [row for row in rows if row["number"] >= self._attempt and (beyond is None or row["number"] < beyond)]
        return own[-1] if own else {}

    def _bring(self, *, wait: bool, is_wanted: Callable[[], bool] = lambda: True) -> None:
        for events, cursor in self._runtime.follow(self._handle, self._cursor, wait=wait):
            if events:
                self._apply(events, cursor)
            self._cursor = cursor
            if self._on_event is not None:
                for event in events:
                    self._on_event(event)
            if not is_wanted():
                return

    def _apply(self, events: list[Event], cursor: Cursor) -> None:
        if any("content" in event["data"] for event in events):
            from framework.engine.contents import stored

            events = stored(self._session, self._uid, events)
        last = any(event["kind"] == "end" for event in events)
        kept = {**cursor, "attempt": self._attempt} if self._attempt > 1 else cursor
        self._session.database.apply(self._uid, events, cursor=kept, durable=last)

    def _observed(self, document: Document, end: dict[str, Any]) -> Document:
        from framework.engine.notes import note

        number = self._row(document).get("number", self._attempt)
        event = note(self._uid, number, "end", {**end, "provisional": True})
        return self._session.database.apply(self._uid, [event], durable=True)

    def _clean_up(self, row: dict[str, Any], status: dict[str, Any]) -> None:
        if row.get("state") not in ENDED:
            return
        self._runtime.cleanup(self._handle)
        is_known = status.get("provisional") and status.get("cause") != "Lost"
        if is_known and self._newest == self._handle:
            self._session.database.set_handle(self._uid, {**self._handle, _SPENT: True})

    def _ask_to_end(self, *, at_once: bool) -> None:
        from framework.engine.notes import note

        number = self._row(self._look()).get("number", self._attempt)
        self._session.database.apply(self._uid, [note(self._uid, number, "abort", {})])
        self._runtime.cancel(self._handle, 0.0 if at_once else _grace(self._handle))


def is_spent(run: ActiveRun) -> bool:
    """Whether nothing more can come of a run whose end was inferred: its backend said why, and it was cleaned up there.

    So that whoever looks at all runs need not ask for ever. One that is ``Lost`` is asked for: a scheduler that did not
    answer may be found again, and have its true end.
    """
    return _SPENT in (run.handle or {})


def _is_open(row: dict[str, Any]) -> bool:
    return row.get("state") not in ENDED or bool(row.get("provisional"))


def of_attempt(cursor: Cursor, attempt: int) -> Cursor:
    """The cursor as the runtime gave it, where it is of this attempt: with the next one, reading begins again."""
    if cursor.get("attempt", 1) != attempt:
        return {}
    return {name: fact for name, fact in cursor.items() if name != "attempt"}


def _grace(handle: Handle) -> float:
    return float(handle.get("grace", 10.0))
