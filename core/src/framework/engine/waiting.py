"""Waiting for an attempt after the first, by who watches the run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from framework.engine.claims import claim
from framework.engine.retrying import attempt_of, start_due, time_left, withdraw
from framework.engine.stopping import stop
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import ActiveRun, Document
    from framework.engine.listening import OnEvent
    from framework.engine.session import Session

_PAUSE: Final = 0.5  # seconds between two looks at a run that waits
_GRACE: Final = 10.0  # seconds, as in a submission that says nothing


def wait_for_next(session: Session, uid: str, after: int, on_event: OnEvent | None = None) -> ActiveRun:
    """Wait until the attempt after one is started, here or by another process, or the run has ended.

    A KeyboardInterrupt ends the run.

    Args:
        session: Where it is recorded.
        uid: The run.
        after: The attempt that has ended.
        on_event: Is told what is waited for.
    """
    said = stopping = False
    while True:
        try:
            active = session.database.active_run(uid)
            run = active.document
            if run["status"].get("state") in ENDED:
                return active
            if attempt_of(active.handle) > after:
                if stopping:  # another process was about to start it
                    stop(session, uid, _GRACE)
                return active
            if not said and on_event is not None:
                said = True
                on_event(_told(run))
            if stopping and withdraw(session, run):
                continue
            if stopping or not start_due(session, run):
                time.sleep(min(_PAUSE, time_left(run) or _PAUSE) if run["status"].get("retry") else _PAUSE)
        except KeyboardInterrupt:
            stopping = True


def wait_for_turn(session: Session, run: Document) -> tuple[Document, int]:
    """Wait until the next attempt of an inline run may begin in this process.

    Returns:
        The run's document, and the number of the attempt; 0 where the run was ended meanwhile.

    Raises:
        KeyboardInterrupt: It was pressed while it waited; the run has ended.
    """
    uid = run["metadata"]["uid"]
    try:
        while run["status"].get("state") not in ENDED:
            left = time_left(run)
            if not left and claim(session, run):
                return run, int(run["status"]["retry"]["attempt"])
            time.sleep(min(_PAUSE, left or _PAUSE))
            run = session.database.run(uid)
    except KeyboardInterrupt:
        withdraw(session, session.database.run(uid))
        raise
    return run, 0


def _told(run: Document) -> dict[str, Any]:
    from framework.engine.notes import note

    status = run["status"]
    number = (status.get("retry") or {}).get("attempt", 1)
    return note(run["metadata"]["uid"], number, "state", {"state": "pending", "message": status.get("message", "")})
