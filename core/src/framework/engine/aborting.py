"""Asking a run or a map to end, from any process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.engine.map_again import end_repeats
from framework.engine.map_here import ask_to_end
from framework.engine.stopping import stop
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.engine.session import Session

_GRACE: Final = 10.0  # seconds, as in a submission that says nothing


def abort(session: Session, uid: str, grace: float | None) -> float:
    """Ask a run to end, with what it maps, and have it ended after ``grace`` seconds; no attempt follows.

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
    active = session.database.active_run(uid)
    if (active.handle or {}).get("kind") == "map" and active.document["status"].get("state") not in ENDED:
        span = _GRACE if grace is None else grace
        ask_to_end(session, active, span)
        return span
    span = stop(session, uid, grace)
    if active.document["spec"].get("map"):
        end_repeats(session, active.document, span)
    return span
