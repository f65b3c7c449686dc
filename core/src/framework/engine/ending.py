"""Merge rules 3, 6 and 7: which end of an attempt stands."""

from __future__ import annotations

from typing import Any

from framework_run import ends
from framework_run.events import LOSSLESS


def settle(attempt: dict[str, Any]) -> dict[str, Any]:
    """The end of an attempt as far as it is known: empty while it goes on.

    Args:
        attempt: The attempt's entry of the ledger.

    Returns:
        state, cause, message, advice, time and the rest of the end's data, and ``gaps``: what is missing, in words.
    """
    final = attempt.get("ends", {})
    first = final.get("0")
    if first is None:
        observed = attempt.get("observed", {})
        return {**observed, "gaps": _gaps(attempt)} if observed else {}
    others = [end for rank, end in final.items() if rank != "0" and end["state"] != "completed"]
    end = min(others, key=lambda other: other["time"]) if first["state"] == "completed" and others else first
    gaps = _gaps(attempt)
    if end["state"] == "completed" and (missing := _lossless_missing(attempt)):
        end = {**ends.lost(f"its records are not whole: {missing}"), "time": end["time"], "provisional": True}
    return {**end, "gaps": gaps}


def _gaps(attempt: dict[str, Any]) -> list[str]:
    texts = []
    for name, producer in sorted(attempt["producers"].items()):
        end = attempt.get("ends", {}).get(name.partition("/")[2], {})
        ranges = list(producer.get("missing", []))
        if end and producer.get("last", 0) < end.get("events", 0):
            ranges.append([producer["last"] + 1, end["events"]])
        of = "" if name == "0/0" else f" of rank {name.partition('/')[2]}"
        texts += [f"events {low} to {high}{of} are missing" for low, high in ranges]
    return texts


def _lossless_missing(attempt: dict[str, Any]) -> str:
    """Which records that may not be missing are; empty when all are there."""
    for rank, end in sorted(attempt.get("ends", {}).items()):
        have = attempt["producers"].get(f"0/{rank}", {}).get("kinds", {})
        for kind, count in end.get("kinds", {}).items():
            if kind in LOSSLESS and have.get(kind, 0) < count:
                return f"{count - have.get(kind, 0)} of {count} {kind} events have not arrived"
    return ""


def forget_counts(attempt: dict[str, Any]) -> None:
    """Take the counts of events out of the entry of an attempt where they decide nothing more.

    That is where a producer's final end is there, and every event before it: whatever comes of it later has come
    before, and its last number is enough to know that.

    Args:
        attempt: The attempt's entry of the ledger, which is changed.
    """
    for rank, end in attempt.get("ends", {}).items():
        producer = attempt["producers"].get(f"0/{rank}")
        if producer is None or "missing" in producer or producer["last"] < end.get("events", 0):
            continue
        have, counted = producer.get("kinds", {}), end.get("kinds", {})
        if have == counted or all(have.get(kind, 0) >= count for kind, count in counted.items()):
            producer.pop("kinds", None)
            end.pop("kinds", None)
            end.pop("events", None)
