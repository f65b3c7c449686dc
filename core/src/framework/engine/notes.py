"""What an observer notes of a run: events that no producer numbers, idempotent by the merge rule."""

from __future__ import annotations

from typing import Any

from framework_run.events import Event, Producer


def note(uid: str, attempt: int, kind: str, data: dict[str, Any]) -> Event:
    """An observer's event.

    Args:
        uid: The run.
        attempt: The attempt that it is about.
        kind: The kind of event; ``abort`` says that no attempt may follow.
        data: What the kind says.
    """
    event = Producer({"uid": uid, "attempt": attempt}).event(kind, data)
    counts = ("events", "kinds") if kind == "end" else ()
    return {**event, "seq": 0, "data": {name: fact for name, fact in event["data"].items() if name not in counts}}
