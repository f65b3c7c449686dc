"""Further attempts of the items of a map that a kind has started as one: each is a run alone, with its own handle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from framework.databases import RunQuery
from framework.engine.execute import Follower
from framework.engine.map_ends import OPEN, count
from framework.engine.retrying import attempt_of, start_due, time_left
from framework.engine.stopping import stop
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from framework.databases import ActiveRun, Document
    from framework.engine.session import Session
    from framework_run.events import Event

_LOOK: Final = 0.5  # seconds between two looks
_TURN: Final = 1.0  # seconds that one look takes, about: the events of the other items wait meanwhile
_GRACE: Final = 10.0  # seconds, as in a submission that says nothing


class Repeats:
    """The items of a map that wait for another attempt, or are in one that was started alone.

    Where the map says how many items may run at once, none is started again before the others have had their turn.

    Args:
        session: Where they are recorded.
        run: The document of the run that maps.
        on_event: Is told of each of their events.
    """

    def __init__(self, session: Session, run: Document, on_event: Callable[[Event], None]) -> None:
        self._session = session
        self._run = run
        self._tell = on_event
        self._is_on = bool(run["spec"]["map"].get("retry"))
        self._open: dict[str, float] = {}  # by uid, when there is something to do (monotonic); the last looked at last
        self._started: set[str] = set()  # those of them that are in an attempt
        self._room = 0  # how many may be started in this look
        self._looked_at = 0.0

    def recall(self) -> None:
        """Find those that were there before this process looked."""
        if self._is_on:
            for item in self._session.database.runs(RunQuery(parent=_uid(self._run), states=OPEN, limit=None)):
                self.has(item)

    def take(self, documents: Iterable[Document]) -> None:
        """Note which of these items wait for another attempt now."""
        if self._is_on:
            self._open.update({_uid(item): _due(item) for item in documents if item["status"].get("retry")})

    def has(self, item: Document) -> bool:
        """Whether an open item is one of them, by its document."""
        if not self._is_on:
            return False
        uid, status = _uid(item), item["status"]
        if uid not in self._open and len(status.get("attempts") or []) > 1:
            if status.get("retry"):
                self._open[uid] = _due(item)
            elif self._session.database.active_run(uid).handle is not None:
                self._open[uid] = _due(item)
                self._started.add(uid)
        return uid in self._open

    def look(self, *, stopping: bool) -> None:
        """Start what is due, unless the map is to end, and bring in what the others have reported."""
        if not self._open or time.monotonic() - self._looked_at < _LOOK:
            return
        now = time.monotonic()
        stopping = stopping or _is_stopped(self._session.database.run(_uid(self._run)))
        wanted = [uid for uid, due in self._open.items() if stopping or due <= now]
        self._room = self._room_for(len(wanted))
        for uid in wanted:
            self._one(self._session.database.active_run(uid), stopping=stopping)
            if time.monotonic() > now + _TURN:
                break
        self._looked_at = time.monotonic()

    def end(self, grace: float = _GRACE) -> None:
        """Ask those that wait or run to end."""
        for uid in list(self._open):
            stop(self._session, uid, grace)

    def _one(self, active: ActiveRun, *, stopping: bool) -> None:
        uid, document = active.uid, active.document
        del self._open[uid]
        self._started.discard(uid)
        if document["status"].get("state") in ENDED:
            return
        self._open[uid] = _due(document)
        waits = attempt_of(active.handle) < (document["status"].get("retry") or {}).get("attempt", 0)
        if waits and stopping:
            stop(self._session, uid, _GRACE)
        elif waits:
            if self._room > 0 and start_due(self._session, document):
                self._room -= 1
                self._started.add(uid)
        elif active.handle is not None:
            self._started.add(uid)
            runtime = self._session.runtime(active.handle["kind"])
            Follower(self._session, runtime, uid, active.handle, self._tell, cursor=active.cursor).catch_up()

    def _room_for(self, wanted: int) -> int:
        """How many of those that are wanted may be started now."""
        most = self._run["spec"]["map"]["parallelism"]
        if not most or not wanted:
            return wanted
        have_others_ended = count(self._session.database, self._run, *OPEN) <= len(self._open)
        return most - len(self._started) if have_others_ended else 0


def end_repeats(session: Session, run: Document, grace: float) -> None:
    """Ask the items of a map to end that wait for a further attempt or are in one, from another process."""
    repeats = Repeats(session, run, lambda _event: None)
    repeats.recall()
    repeats.end(grace)


def _due(item: Document) -> float:
    """When there is something to do of an item: at once, unless it waits."""
    return time.monotonic() + (time_left(item) if item["status"].get("retry") else 0.0)


def _is_stopped(run: Document) -> bool:
    rows: list[dict[str, Any]] = run["status"].get("attempts") or []
    return any(row.get("stopped") for row in rows)


def _uid(run: Document) -> str:
    return str(run["metadata"]["uid"])
