"""The event: the one way back from a run (docs/architecture.md, "Event, version 1").

An event is a plain dictionary, because it crosses processes, versions and carriers; the aliases here name its parts.
"""

from __future__ import annotations

import time
from typing import Any, Final

EVENT_VERSION: Final = 1
RUN_API_VERSION: Final = 1

Event = dict[str, Any]
Emit = Any  # Callable[[str, dict[str, Any]], None]: takes a kind and its data

KINDS: Final = (
    "state",
    "log",
    "result",
    "metric",
    "artifact",
    "label",
    "progress",
    "child",
    "environment",
    "client",
    "peak",
    "heartbeat",
    "dropped",
    "end",
)

LOSSLESS: Final = frozenset(
    {"state", "result", "metric", "artifact", "label", "child", "environment", "dropped", "end"}
)
"""Kinds that may not be missing from a run that is completed (merge rule 7)."""


class Producer:
    """Numbers the events of one (run, iteration, attempt, rank).

    Args:
        run: The ``run`` part of a submission: uid, iteration, attempt, rank.
    """

    def __init__(self, run: dict[str, Any]) -> None:
        self._base = {
            "v": EVENT_VERSION,
            "run": run["uid"],
            "iteration": run.get("iteration", 0),
            "attempt": run.get("attempt", 1),
            "rank": run.get("rank", 0),
        }
        self.seq = 0
        self.kinds: dict[str, int] = {}

    def event(self, kind: str, data: dict[str, Any], *, child: str | None = None, at: float | None = None) -> Event:
        """The next event, numbered and timed.

        Args:
            kind: One of `KINDS`.
            data: What the kind says.
            child: The uid of the child run that it belongs to, where it is not the run's own.
            at: Seconds since the epoch; now unless told.
        """
        self.seq += 1
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "end" and child is None:
            data = {**data, "events": self.seq, "kinds": dict(self.kinds)}
        event = {**self._base, "seq": self.seq, "time": time.time() if at is None else at, "kind": kind, "data": data}
        if child is not None:
            event["child"] = child
        return event


def observed(run: dict[str, Any], kind: str, data: dict[str, Any]) -> Event:
    """What an observer says of a run: an event without a number.

    Args:
        run: The ``run`` part of a submission.
        kind: One of `KINDS`.
        data: What the kind says.
    """
    return {**Producer(run).event(kind, data), "seq": 0, "data": data}


def observed_end(run: dict[str, Any], data: dict[str, Any]) -> Event:
    """The end that an observer infers: unnumbered and provisional.

    Args:
        run: The ``run`` part of a submission.
        data: state, cause, message, advice.
    """
    return observed(run, "end", {**data, "provisional": True})
