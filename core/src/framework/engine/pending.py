"""The limit of time until a run's code begins, where only who follows it can keep it: it waits at a backend."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from framework.models.causes import ENDED
from framework_run import ends

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session


def overdue(session: Session, run: Document, kind: str, attempt: int) -> ends.Ending | None:
    """The end of an attempt that has not begun in time; None while it may wait.

    Args:
        session: Whose plugins say where runs of the kind are.
        run: The run's document.
        kind: The kind of its runtime.
        attempt: The attempt that is followed.
    """
    limit, since = run["spec"].get("timeouts", {}).get("pending"), _submitted(run, attempt)
    if limit is None or since is None or time.time() - since <= limit:
        return None
    known = session.plugins.runtimes().get(kind)
    if known is None or "process" in known.item.capabilities:
        return None  # its supervisor runs as soon as it is submitted, and counts by itself
    return ends.pending_timeout(float(limit))


def _submitted(run: Document, attempt: int) -> float | None:
    """When an attempt that has not begun was submitted, in seconds since the epoch; None once it has begun."""
    status: dict[str, Any] = run["status"]
    rows: list[dict[str, Any]] = status.get("attempts") or []
    row = next((row for row in rows if row["number"] == attempt), {})
    if row.get("state") == "running" or row.get("state") in ENDED:
        return None
    retry = status.get("retry") or {}
    since = retry.get("claim", {}).get("time") if retry.get("attempt") == attempt else status.get("created")
    return None if since is None else float(since)
