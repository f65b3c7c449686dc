"""One run out of two databases that each have a part of its events.

It follows the merge rule (docs/architecture.md): what comes out is what one database would have, had it got the events
of both. The ledgers say which events each side has had, by number, so nothing counts twice and each side fills the gaps
of the other. Where the two say different things that the rule does not decide, ours stands, or the one that is greater
as text: so the same comes out in either order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar

from attrs import evolve

from framework.databases import Document, RunRecord
from framework.engine.apply import Ledger, drawn, standing_artifact
from framework.engine.attempts import is_started
from framework.engine.ending import forget_counts
from framework.engine.pieces import joined_logs, joined_metrics
from framework.models.causes import ENDED

Key = TypeVar("Key")
Entry = dict[str, Any]
Ranges = list[list[int]]

_ORDER = ("created", "pending", "running")


def stamp(document: Document, ledger: Ledger) -> str:
    """What two databases have in common when they have had the same events of a run; where contents lie is left out."""
    text = json.dumps([_placeless(document), _placeless(ledger)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def reconciled(ours: RunRecord, theirs: RunRecord) -> RunRecord | None:
    """A run as both sides know it.

    Args:
        ours: As it is in the database that is merged into.
        theirs: The same run as another database has it; neither is changed.

    Returns:
        The run, or None where the other side has nothing that is new.
    """
    ledger = _ledger(ours.ledger, theirs.ledger)
    both = evolve(
        ours,
        document=_document(ours.document, theirs.document, ledger),
        ledger=ledger,
        log=joined_logs(ours.log, theirs.log),
        metrics=joined_metrics(ours.metrics, theirs.metrics),
        artifacts=_artifacts(ours.artifacts, theirs.artifacts, ledger),
    )
    if ours.handle is None and theirs.handle is not None:
        both.handle, both.cursor = theirs.handle, theirs.cursor  # who reads on from there has had all that is before it
    return None if both == ours else both


def _placeless(content: Any) -> Any:
    """The content without the URIs of artifacts."""
    if isinstance(content, dict):
        own = "digest" in content and "uri" in content
        return {key: _placeless(item) for key, item in content.items() if not (own and key == "uri")}
    return [_placeless(item) for item in content] if isinstance(content, list) else content


def _agreed(ours: Any, theirs: Any) -> Any:
    """One of two values for one thing, the same one whichever side is ours; where only its place differs, ours."""
    mine, other = (json.dumps(_placeless(each), sort_keys=True) for each in (ours, theirs))
    return ours if mine >= other else theirs


def _joined(ours: dict[Key, Any], theirs: dict[Key, Any], join: Callable[[Any, Any], Any]) -> dict[Key, Any]:
    """Two mappings as one; of a key that both have, ``join`` makes the value."""
    own = {key: join(value, theirs[key]) if key in theirs else value for key, value in ours.items()}
    return {**own, **{key: value for key, value in theirs.items() if key not in ours}}


# The ledger


def _ledger(ours: Ledger, theirs: Ledger) -> Ledger:
    return _joined_by(_WHOLE, ours, theirs)


def _child(ours: Entry, theirs: Entry) -> Entry:
    """An entry of ``children``: a child is open as long as neither side has seen its end."""
    return {**_agreed(ours, theirs), "open": ours["open"] and theirs["open"]}


def _told(ours: Entry, theirs: Entry) -> Entry:
    """An entry of ``notifications``: what came of it is more than that it was begun."""
    if (ours["state"] == "sending") != (theirs["state"] == "sending"):
        return theirs if ours["state"] == "sending" else ours
    return _earlier(ours, theirs)


def _attempt(ours: Entry, theirs: Entry) -> Entry:
    both = _joined_by(_PARTS, ours, theirs)
    if is_started(ours) != is_started(theirs):  # who has started it had the claim
        claim = (ours if is_started(ours) else theirs).get("claim")
        both.update({"claim": claim} if claim else {})
    for name, producer in both["producers"].items():
        rank = name.partition("/")[2]
        whole = next((side for side in (ours, theirs) if _is_whole(side["producers"].get(name))), None)
        end = both.get("ends", {}).get(rank, {})
        if whole is not None:
            both["producers"][name], both["ends"][rank] = whole["producers"][name], whole["ends"][rank]
        elif "missing" not in producer and producer.get("last", 0) == end.get("events"):
            both["producers"][name] = {**producer, "kinds": end["kinds"]}  # all of them are here: no need to reckon
    both = deepcopy(both)  # what the two have not in common is theirs
    forget_counts(both)
    return both


def _is_whole(producer: Entry | None) -> bool:
    """Whether a side has had every event of a producer: then it has let go of how many there were of each kind."""
    return producer is not None and "last" in producer and "kinds" not in producer


def _said(ours: list[Any], theirs: list[Any]) -> list[Any]:
    """A value with the number that said it: the higher number wins."""
    if ours[0] == theirs[0]:
        return [ours[0], _agreed(ours[1], theirs[1])]
    return ours if ours[0] > theirs[0] else theirs


def _earlier(ours: Entry, theirs: Entry) -> Entry:
    first: Entry = _agreed(ours, theirs) if ours["time"] == theirs["time"] else min(ours, theirs, key=_time)
    return first


def _time(entry: Entry) -> float:
    return float(entry["time"])


def _observed(ours: Entry, theirs: Entry) -> Entry:
    """Of two inferred ends the first stands, but any cause replaces Lost."""
    if (ours["cause"] == "Lost") != (theirs["cause"] == "Lost"):
        return theirs if ours["cause"] == "Lost" else ours
    return _earlier(ours, theirs)


def _dropped(ours: list[str], theirs: list[str]) -> list[str]:
    return sorted((Counter(ours) | Counter(theirs)).elements())


def _joined_by(parts: dict[str, Callable[[Any, Any], Any]], ours: Entry, theirs: Entry) -> Entry:
    """Two mappings as one, each part of them by its own rule."""
    both = {**theirs, **ours}
    for name in ours:
        if name in theirs:
            both[name] = parts.get(name, _agreed)(ours[name], theirs[name])
    return both


_WHOLE: dict[str, Callable[[Any, Any], Any]] = {
    "attempts": lambda ours, theirs: _joined(ours, theirs, _attempt),
    "children": lambda ours, theirs: _joined(ours, theirs, _child),
    "client": lambda ours, theirs: _joined(ours, theirs, _agreed),
    "notifications": lambda ours, theirs: _joined(ours, theirs, _told),
}
_PARTS: dict[str, Callable[[Any, Any], Any]] = {
    "producers": lambda ours, theirs: _joined(ours, theirs, _producer),
    "begun": _earlier,
    "results": lambda ours, theirs: _joined(ours, theirs, _said),
    "metrics": lambda ours, theirs: _joined(ours, theirs, _said),
    "artifacts": lambda ours, theirs: _joined(ours, theirs, _said),
    "labels": lambda ours, theirs: _joined(ours, theirs, _said),
    "progress": _said,
    "environment": lambda ours, theirs: _joined(ours, theirs, _agreed),
    "peak": lambda ours, theirs: _joined(ours, theirs, max),
    "dropped": _dropped,
    "ends": lambda ours, theirs: _joined(ours, theirs, _earlier),
    "observed": _observed,
}


# Which events a producer has been heard of


def _producer(ours: Entry, theirs: Entry) -> Entry:
    """The numbers that either side has had.

    How many there are of each kind cannot be told exactly where each side has some that the other has not and they have
    others in common: then it is the least that it may be, so that nothing is ever taken for whole that is not.
    """
    last = max(ours.get("last", 0), theirs.get("last", 0))
    missing = _common(_absent(ours, last), _absent(theirs, last))
    shared = _count(ours) + _count(theirs) - (last - _size(missing))
    kinds = {
        kind: max(mine, other, mine + other - shared)
        for kind in {**ours.get("kinds", {}), **theirs.get("kinds", {})}
        for mine, other in [(ours.get("kinds", {}).get(kind, 0), theirs.get("kinds", {}).get(kind, 0))]
    }
    if "last" not in ours:  # of a child, whose parent's events are counted with the parent
        return {"kinds": {kind: max(each.get("kinds", {}).get(kind, 0) for each in (ours, theirs)) for kind in kinds}}
    return {"last": last, "kinds": kinds, **({"missing": missing} if missing else {})}


def _absent(entry: Entry, last: int) -> Ranges:
    own = entry.get("last", 0)
    ranges = sorted(entry.get("missing", []))
    return [*ranges, [own + 1, last]] if own < last else ranges


def _common(ours: Ranges, theirs: Ranges) -> Ranges:
    """The numbers that are in the ranges of both."""
    found = [[max(low, start), min(high, end)] for low, high in ours for start, end in theirs]
    return sorted(each for each in found if each[0] <= each[1])


def _count(entry: Entry) -> int:
    return int(entry.get("last", 0)) - _size(entry.get("missing", []))


def _size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


# The documents


def _document(ours: Document, theirs: Document, ledger: Ledger) -> Document:
    both = {**theirs, **ours}
    for part in ("metadata", "spec", "status"):
        if part in ours or part in theirs:
            both[part] = _joined(ours.get(part, {}), theirs.get(part, {}), _agreed)
    mine, other = (each["metadata"].get("labels", {}) for each in (ours, theirs))
    if mine or other:
        both["metadata"]["labels"] = _joined(mine, other, _agreed)
    if ledger.get("attempts"):
        return drawn(both, ledger)
    both["status"] = max(ours.get("status", {}), theirs.get("status", {}), key=_height)
    return both


def _height(status: Entry) -> int:
    state = status.get("state", "created")
    return len(_ORDER) if state in ENDED else _ORDER.index(state)


def _artifacts(ours: list[Document], theirs: list[Document], ledger: Ledger) -> list[Document]:
    """Of one key the one that stands in the ledger."""

    def chosen(mine: Document, other: Document) -> Document:
        digest = standing_artifact(ledger, mine["metadata"]["key"]).get("digest")
        standing = [each for each in (mine, other) if each["spec"].get("digest") == digest] or [mine, other]
        only: Document = standing[0] if len(standing) == 1 else _agreed(mine, other)
        return only

    mine, others = ({_place(each): each for each in side} for side in (ours, theirs))
    return list(_joined(mine, others, chosen).values())


def _place(artifact: Document) -> tuple[int, str]:
    return artifact["spec"].get("iteration", 0), artifact["metadata"]["key"]
