"""Asking a run to end, whatever it does at that moment; of a map, what was started as one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from framework.engine.notes import note
from framework.engine.retrying import attempt_of, withdraw
from framework.errors import BackendError, UsageError
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import ActiveRun
    from framework.engine.session import Session

_GRACE: Final = 10.0  # seconds, as in a submission that says nothing
_STARTING: Final = 30.0  # seconds that another process may take to start an attempt that it has claimed
_PAUSE: Final = 0.05


def stop(session: Session, uid: str, grace: float | None) -> float:
    """Ask a run to end, and have it ended after ``grace`` seconds; no attempt follows.

    Args:
        session: Where it is recorded.
        uid: The run.
        grace: Seconds; 0 ends it at once, None is the run's own.

    Returns:
        How many seconds it has.

    Raises:
        UsageError: It runs inline in another process, or is followed from another database.
        BackendError: It cannot be reached from here.
    """
    active = _settled(session, uid)
    if active is None:
        return 0.0
    if active.handle is None:
        raise UsageError(f"the run {uid} is not followed from here", advice="End it where it was started.")
    if active.handle["kind"] == "inline":
        raise UsageError(
            f"the run {uid} is inline in another process, which alone can end it", advice="Press Ctrl-C where it runs."
        )
    span = float(active.handle.get("grace", _GRACE)) if grace is None else grace
    rows = active.document["status"].get("attempts") or []
    number = max(attempt_of(active.handle), *(row["number"] for row in rows), 1)
    session.database.apply(uid, [note(uid, number, "abort", {})])
    session.runtime(active.handle["kind"]).cancel(active.handle, span)
    return span


def _settled(session: Session, uid: str) -> ActiveRun | None:
    """The run with the handle of what runs; None where there is nothing to end, any more.

    A run that waits for its next attempt is ended here, and one whose next attempt is being started is waited for.
    """
    deadline = time.monotonic() + _STARTING
    while True:
        active = session.database.active_run(uid)
        status = active.document["status"]
        if status.get("state") in ENDED:
            return None
        retry = status.get("retry") or {}
        if not retry or retry["attempt"] <= attempt_of(active.handle):
            return active
        if withdraw(session, active.document):
            return None
        if time.monotonic() > deadline:
            raise BackendError(
                f"attempt {retry['attempt']} of the run {uid} is being started by process {retry['claim']['pid']} "
                f"on {retry['claim']['host']}",
                advice="Try it again.",
            )
        time.sleep(_PAUSE)
