"""What becomes of a map: its progress and its end, drawn from its items' runs in the database.

The events of the run that maps are an observer's (number 0), so that whoever looks can say them, and again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from framework.databases import Condition, Document, RunQuery
from framework.models.causes import ENDED
from framework_run import ends
from framework_run.events import EVENT_VERSION, Event

if TYPE_CHECKING:
    from framework.databases import Database

OPEN: Final = ("created", "pending", "running")


def said(run: Document, kind: str, data: dict[str, Any]) -> Event:
    """An event of the run that maps."""
    base = {"v": EVENT_VERSION, "run": run["metadata"]["uid"], "iteration": 0, "attempt": 1, "rank": 0, "seq": 0}
    return {**base, "time": time.time(), "kind": kind, "data": data}


def progress(run: Document, done: int, failed: int, reused: int = 0) -> Event:
    """How many items have ended, how many not well, how many have reused another run; and the rate of the others."""
    taken = time.time() - run["status"]["created"]
    rate = {"rate": (done - reused) / taken} if taken > 0 and done > reused else {}
    text = ", ".join(f"{number:,} {what}" for number, what in ((failed, "failed"), (reused, "reused")) if number)
    total = run["spec"]["map"]["items"]
    return said(run, "progress", {"done": done, "total": total, "unit": "items", "text": text, **rate})


def count(database: Database, run: Document, *states: str) -> int:
    """How many items are in one of these states."""
    return database.count_runs(RunQuery(parent=run["metadata"]["uid"], states=states))


def reused(database: Database, run: Document) -> int:
    """How many items have reused another run."""
    if not run["spec"]["map"].get("cache"):
        return 0
    has_reused = Condition(field="cache.reused", operator="~", value="*")
    return database.count_runs(RunQuery(parent=run["metadata"]["uid"], conditions=(has_reused,)))


def conclude(database: Database, run: Document, *, aborted: bool = False, why_missing: str = "") -> Document:
    """Record the end of a map whose items have all ended, or will not be started any more.

    Args:
        database: Where it is.
        run: The document of the run that maps.
        aborted: Whether it was asked to end.
        why_missing: Why items have not been started.

    Returns:
        The document afterwards.
    """
    completed = count(database, run, "completed")
    ended = count(database, run, *ENDED)
    failed = ended - completed
    taken = reused(database, run)
    results = {"completed": completed, "failed": failed, **({"reused": taken} if "cache" in run["spec"]["map"] else {})}
    end = _end(database, run, completed, ended, aborted=aborted, why_missing=why_missing)
    events = [
        said(run, "result", {"values": results}),
        progress(run, ended, failed, taken),
        said(run, "end", {"exit_code": None, "signal": None, "traceback": "", "peak": None, **end}),
    ]
    return database.apply(run["metadata"]["uid"], events, durable=True)


def _end(  # noqa: PLR0913  what an end depends on
    database: Database, run: Document, completed: int, ended: int, *, aborted: bool, why_missing: str
) -> ends.Ending:
    total = run["spec"]["map"]["items"]
    if completed == total:
        return ends.completed()
    if aborted:
        return ends.aborted(f"it was asked to end; {completed:,} of {total:,} items are completed")
    query = RunQuery(parent=run["metadata"]["uid"], states=("failed", "aborted"), descending=False, limit=1)
    first = next(iter(database.runs(query)), None)
    if first is None:
        return ends.lost(f"{why_missing or 'items were never started'}: {total - ended:,} of {total:,} have not run")
    status, number = first["status"], first["spec"].get("iteration", 0)
    evidence = f"{ended - completed:,} of {total:,} items failed; item {number:,}: {status.get('message', '')}"
    if ended < total:
        evidence += f"; {total - ended:,} have not run" + (f" ({why_missing})" if why_missing else "")
    advice = f"See it: framework runs show {first['metadata']['uid']}"
    return ends.failed(status.get("cause") or "Lost", evidence, advice)
