"""Merge rule 1: each event of a producer is applied once, however often it arrives."""

from __future__ import annotations

from typing import Any

from framework_run.events import Event


def admit(producers: dict[str, Any], event: Event) -> bool:
    """Whether an event is new to its producer, which is noted.

    Args:
        producers: The producers of an attempt: ``{last, missing, kinds}`` by "iteration/rank".
        event: Any event; number 0 is an observer's, and always new.
    """
    seq = event["seq"]
    if seq == 0:
        return True
    name = f"{event['iteration']}/{event['rank']}"
    entry = producers.get(name)
    if entry is None:
        entry = producers[name] = {"last": 0}
    last = entry["last"]
    if seq <= last:
        if not _fill(entry, seq):
            return False
    else:
        if seq > last + 1:
            entry.setdefault("missing", []).append([last + 1, seq - 1])
        entry["last"] = seq
    kinds = entry.setdefault("kinds", {})
    kinds[event["kind"]] = kinds.get(event["kind"], 0) + 1
    return True


def _fill(entry: dict[str, Any], seq: int) -> bool:
    """Take a number out of the missing ranges; False where it is in none."""
    ranges = entry.get("missing", [])
    for index, (first, last) in enumerate(ranges):
        if first <= seq <= last:
            pieces = [[first, seq - 1], [seq + 1, last]]
            ranges[index : index + 1] = [piece for piece in pieces if piece[0] <= piece[1]]
            if not ranges:
                del entry["missing"]
            return True
    return False
