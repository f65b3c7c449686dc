"""From a uid to a run's row."""

from __future__ import annotations

from framework.errors import NotFound
from framework_db_sql.engine import Session
from framework_db_sql.jsontext import loads


def missing(uid: str) -> NotFound:
    """The error for a uid that no run has."""
    return NotFound(f"there is no run {uid!r}", advice="See: framework runs list")


def located(session: Session, uid: str, attempt: int | None) -> tuple[int, int]:
    """The id of a run's row, and the attempt that is meant: the last one unless told.

    Raises:
        NotFound: There is no such run.
    """
    row = session.execute("SELECT id, doc FROM runs WHERE uid = ?", (uid,)).fetchone()
    if row is None:
        raise missing(uid)
    if attempt is None:
        attempts = loads(row[1]).get("status", {}).get("attempts") or [{"number": 1}]
        attempt = attempts[-1]["number"]
    return int(row[0]), int(attempt)
