"""The merge rule: events become a run's document (docs/architecture.md, "The merge rule").

Everything that decides is kept in the *ledger*, a JSON document beside the run's own: one entry an attempt with what
its producers have said, and by which number. The run's status is drawn from the latest attempt's entry, so the order in
which events arrive does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from attrs import Factory, define

from framework.databases import Document, LogChunk, Mark, MetricChunk
from framework.engine.attempts import is_started, waiting
from framework.engine.ending import forget_counts, settle
from framework.engine.numbering import admit
from framework_run.events import Event

Ledger = dict[str, Any]
_SEQ: Callable[[Event], int] = itemgetter("seq")
Found = tuple[Document, Ledger]


@define
class Merged:
    """What a batch of events comes to.

    ``contents`` are kept under their digests. ``children`` are runs that the handler opened, changed or new.
    """

    document: Document
    ledger: Ledger
    log: list[LogChunk] = Factory(list)
    metrics: list[MetricChunk] = Factory(list)
    artifacts: list[Document] = Factory(list)
    contents: list[bytes] = Factory(list)
    children: list[Merged] = Factory(list)


def merge(
    document: Document,
    ledger: Ledger,
    events: Sequence[Event],
    child: Callable[[str], Found | None] = lambda _uid: None,
) -> Merged:
    """Apply events to a run.

    Args:
        document: The run's document; it is not changed.
        ledger: Its ledger, empty at first; it is not changed.
        events: In any order, repeated or not.
        child: Finds the document and the ledger of a run that the handler has opened.

    Returns:
        The new document and ledger, and what is to be kept beside them.
    """
    merged = Merged(document, _copy(ledger))
    inner: dict[str, list[Event]] = {}
    if len(events) > 1:
        events = sorted(events, key=_SEQ)
    for event in events:
        attempt = _attempt(merged.ledger, event["attempt"])
        if not admit(attempt["producers"], event):
            continue
        if event.get("child") and event["kind"] != "child":  # the one that opens it is the parent's
            inner.setdefault(event["child"], []).append(event)
        else:
            _TAKE.get(event["kind"], _ignore)(merged, attempt, event)
    if merged.ledger["attempts"]:
        merged.document = drawn(document, merged.ledger)
        for attempt in merged.ledger["attempts"].values():
            forget_counts(attempt)
    _merge_children(merged, inner, child)
    return merged


def _copy(ledger: Ledger) -> Ledger:
    if not ledger:
        return {"attempts": {}}
    copied: Ledger = _deep(ledger)
    return copied


def _deep(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _deep(item) for key, item in content.items()}
    return [_deep(item) for item in content] if isinstance(content, list) else content


def _attempt(ledger: Ledger, number: int) -> dict[str, Any]:
    found = ledger["attempts"].get(str(number))
    if found is None:
        found = ledger["attempts"][str(number)] = {"producers": {}}
    entry: dict[str, Any] = found
    return entry


# What each kind of event does to the entry of its attempt


def _state(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    if "claim" in event["data"]:
        _claim(attempt, event["data"])
    elif event["rank"] == 0:
        attempt["begun"] = {"time": event["time"], **event["data"]}


def _claim(attempt: dict[str, Any], data: dict[str, Any]) -> None:
    """The first who claims the start of an attempt has it, until somebody takes it over from who is gone."""
    standing = attempt.get("claim")
    if not is_started(attempt) and (standing is None or standing["token"] == data.get("instead")):
        attempt["claim"] = data["claim"]


def _abort(_merged: Merged, attempt: dict[str, Any], _event: Event) -> None:
    attempt["stopped"] = True  # whatever its end will be, no attempt follows


def _log(merged: Merged, _attempt: dict[str, Any], event: Event) -> None:
    data = event["data"]
    content = str(data["text"]).encode("utf-8", "surrogateescape")
    chunk = LogChunk(
        attempt=event["attempt"],
        rank=event["rank"],
        stream=data["stream"],
        time=event["time"],
        data=content,
        marks=(_mark(event, len(content)),),
    )
    merged.log.append(chunk)


def _mark(event: Event, size: int) -> Mark:
    return event["iteration"], event["rank"], event["seq"], size


def _result(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    if event["rank"] == 0:
        _keep(attempt.setdefault("results", {}), event["data"]["values"], event["seq"])


def _metric(merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    from framework_run.numbers import decode

    data = event["data"]
    values = [decode(value) for value in data["values"]]
    if not len(data["steps"]) == len(values) == len(data["times"]):
        raise ValueError(f"the columns of the metric {data['key']!r} are of unequal length")
    chunk = MetricChunk(
        attempt=event["attempt"],
        key=data["key"],
        steps=data["steps"],
        values=values,
        times=data["times"],
        marks=(_mark(event, len(values)),),
    )
    merged.metrics.append(chunk)
    if data["values"]:
        _keep(attempt.setdefault("metrics", {}), {data["key"]: data["values"][-1]}, event["seq"])


def _artifact(merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    if event["rank"] != 0:
        return
    data = event["data"]
    summary = {name: data[name] for name in ("uri", "type", "format", "name", "digest", "size") if name in data}
    _keep(attempt.setdefault("artifacts", {}), {data["key"]: summary}, event["seq"])
    if standing_artifact(merged.ledger, data["key"]) is summary:
        merged.artifacts.append(_artifact_document(merged.document, event))


def standing_artifact(ledger: Ledger, key: str) -> dict[str, Any]:
    """What the latest attempt that has an artifact of this key says of it; empty where none has."""
    for number in sorted(map(int, ledger.get("attempts", {})), reverse=True):
        said = ledger["attempts"][str(number)].get("artifacts", {}).get(key)
        if said is not None:
            summary: dict[str, Any] = said[1]
            return summary
    return {}


def _label(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    _keep(attempt.setdefault("labels", {}), event["data"]["labels"], event["seq"])


def _progress(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    _keep(attempt, {"progress": event["data"]}, event["seq"])


def _child(merged: Merged, _attempt: dict[str, Any], event: Event) -> None:
    merged.ledger.setdefault("children", {})[event["data"]["uid"]] = {"open": True, "new": True, "event": event}


def _environment(merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    facts = {**attempt.get("environment", {}), **event["data"]}
    if "package_list" in facts:
        from framework_run.surroundings import text_of

        merged.contents.append(text_of(facts.pop("package_list")))
    attempt["environment"] = facts


def _client(merged: Merged, _attempt: dict[str, Any], event: Event) -> None:
    """Facts of the submitting side that were not known yet when the run began: they are the run's, not an attempt's."""
    merged.ledger["client"] = {**merged.ledger.get("client", {}), **event["data"]}


def _peak(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    peak = attempt.setdefault("peak", {})
    for name, amount in event["data"].items():
        peak[name] = max(amount, peak.get(name, 0))


def _dropped(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    data = event["data"]
    attempt.setdefault("dropped", []).append(f"the runner left out {data['lines']} log lines ({data['bytes']} bytes)")


def _end(_merged: Merged, attempt: dict[str, Any], event: Event) -> None:
    data = {name: fact for name, fact in event["data"].items() if fact is not None and fact != ""}
    data["time"] = event["time"]
    if "unstarted" in data and (is_started(attempt) or attempt.get("claim", {}).get("token") != data["unstarted"]):
        return  # somebody else has its start in hand
    if data.get("provisional"):
        standing = attempt.get("observed")
        if standing is None or (standing["cause"] == "Lost" and data["cause"] != "Lost"):
            attempt["observed"] = data
    else:
        attempt.setdefault("ends", {}).setdefault(str(event["rank"]), data)
        if data.get("peak"):
            _peak(_merged, attempt, {**event, "data": data["peak"]})


def _notification(merged: Merged, _attempt: dict[str, Any], event: Event) -> None:
    """The first claim of a notification stands; what came of it is the claimant's to say."""
    told, data = merged.ledger.setdefault("notifications", {}), event["data"]
    standing = told.get(data["key"])
    if standing is None or (standing["by"] == data["by"] and data["state"] != "sending"):
        told[data["key"]] = {**data, "time": event["time"]}


def _ignore(_merged: Merged, _attempt: dict[str, Any], _event: Event) -> None:
    """A heartbeat, or a kind that a newer runner knows: nothing is kept of it."""


_TAKE: dict[str, Callable[[Merged, dict[str, Any], Event], None]] = {
    "state": _state,
    "log": _log,
    "result": _result,
    "metric": _metric,
    "artifact": _artifact,
    "label": _label,
    "progress": _progress,
    "child": _child,
    "environment": _environment,
    "client": _client,
    "peak": _peak,
    "dropped": _dropped,
    "end": _end,
    "abort": _abort,
    "notification": _notification,
}


def _keep(place: dict[str, Any], values: dict[str, Any], seq: int) -> None:
    """Keep values with the number that said them; a higher number wins."""
    for key, value in values.items():
        standing = place.get(key)
        if standing is None or standing[0] <= seq:
            place[key] = [seq, value]


def _plain(attempt: dict[str, Any], section: str) -> dict[str, Any]:
    """The values of a section of an attempt's entry, without the numbers that said them."""
    place = attempt.get(section)
    return {key: value for key, (_, value) in place.items()} if place else {}


# From the ledger to the document


def drawn(document: Document, ledger: Ledger) -> Document:
    """The document with its status, and its labels, as the ledger says; it has at least one attempt."""
    attempts = {int(number): entry for number, entry in ledger["attempts"].items()}
    ends = {number: settle(entry) for number, entry in attempts.items()}
    repeated = bool(document.get("spec", {}).get("retry"))
    next_one = waiting(document, attempts, ends) if repeated else {}
    if next_one:
        number = next_one["attempt"]
        attempts.setdefault(number, {"producers": {}})
        ends[number] = {"message": next_one["message"]}
    numbers = sorted(attempts)
    latest = attempts[numbers[-1]]
    rows = [_row(number, attempts[number], ends[number], fenced=number != numbers[-1]) for number in numbers]
    status = {**document.get("status", {}), **_status(latest, rows[-1], ends[numbers[-1]])}
    first = next((attempts[number]["begun"] for number in numbers if "begun" in attempts[number]), None)
    if first:
        status["started"] = first["time"]
    status["attempts"] = rows
    facts = _surroundings(status.pop("environment", {}), ledger, latest)
    if facts:
        status["environment"] = facts
    if repeated:
        status["retry"] = {name: fact for name, fact in next_one.items() if name != "message"}
    if "notifications" in ledger:
        status["notifications"] = [told for _, told in sorted(ledger["notifications"].items())]
    metadata = document.get("metadata", {})
    if latest.get("labels"):
        metadata = {**metadata, "labels": {**metadata.get("labels", {}), **_plain(latest, "labels")}}
    return {**document, "metadata": metadata, "status": status}


def _status(attempt: dict[str, Any], row: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    """What the latest attempt says of the run; every field, so that nothing of an older attempt stays."""
    return {
        "state": row["state"],
        "cause": end.get("cause"),
        "message": end.get("message", ""),
        "advice": end.get("advice", ""),
        "traceback": end.get("traceback", ""),
        "provisional": bool(end.get("provisional")),
        "results": _plain(attempt, "results"),
        "metrics": _plain(attempt, "metrics"),
        "artifacts": _plain(attempt, "artifacts"),
        "peak": attempt.get("peak", {}),
        "progress": attempt["progress"][1] if "progress" in attempt else {},
        "gaps": [*end.get("gaps", []), *attempt.get("dropped", [])],
        "ended": end.get("time"),
        **({"cached_from": attempt["begun"]["cached_from"]} if "cached_from" in attempt.get("begun", {}) else {}),
    }


def _surroundings(before: dict[str, Any], ledger: Ledger, attempt: dict[str, Any]) -> dict[str, Any]:
    """The submitting side's facts, and under ``run`` those of the side where the latest attempt runs."""
    facts = {**before, **ledger.get("client", {})}
    facts.pop("run", None)
    if "environment" in attempt:
        facts["run"] = attempt["environment"]
    return facts


def _row(number: int, attempt: dict[str, Any], end: dict[str, Any], *, fenced: bool) -> dict[str, Any]:
    """The entry of ``status.attempts``."""
    begun = attempt.get("begun", {})
    state = end.get("state", "running" if attempt["producers"] or begun else "pending")
    row: dict[str, Any] = {"number": number, "state": state}
    facts = {
        "cause": end.get("cause"),
        "message": end.get("message"),
        "provisional": end.get("provisional"),
        "exit_code": end.get("exit_code"),
        "signal": end.get("signal"),
        "started": begun.get("time"),
        "ended": end.get("time"),
        "host": begun.get("host"),
        "pid": begun.get("pid"),
        "worker": begun.get("worker"),
        "resources": attempt.get("claim", {}).get("resources"),
        "stopped": attempt.get("stopped"),
    }
    row.update({name: fact for name, fact in facts.items() if fact is not None and fact != "" and fact is not False})
    if fenced:
        row["results"], row["metrics"] = _plain(attempt, "results"), _plain(attempt, "metrics")
    return row


def _artifact_document(run: Document, event: Event) -> Document:
    data, metadata = event["data"], run["metadata"]
    names = ("type", "format", "name", "digest", "size", "uri", "metadata")
    spec = {name: data[name] for name in names if data.get(name)}
    return {
        "metadata": {"key": data["key"], "project": metadata.get("project", "default")},
        "spec": {"run": metadata["uid"], "created": event["time"], **spec},
    }


# Runs that the handler has opened


def _merge_children(merged: Merged, inner: dict[str, list[Event]], child: Callable[[str], Found | None]) -> None:
    over = merged.document.get("status", {}).get("ended") is not None
    for uid, entry in merged.ledger.get("children", {}).items():
        events = inner.get(uid, [])
        if any(event["kind"] == "end" for event in events):
            entry["open"] = False
        if entry["open"] and over:
            events = [*events, _left_open(entry["event"], merged.document)]
            entry["open"] = False
        if entry.pop("new", False) or events:
            merged.children.append(_merge_child(uid, entry["event"], events, merged.document, child))


def _merge_child(
    uid: str, opened: Event, events: Iterable[Event], parent: Document, child: Callable[[str], Found | None]
) -> Merged:
    found = child(uid)
    document, ledger = found if found is not None else (_child_document(opened, parent), {})
    merged = Merged(document, _copy(ledger))
    attempt = _attempt(merged.ledger, 1)
    attempt.setdefault("begun", {"time": opened["time"]})
    kinds = attempt["producers"].setdefault("parent", {}).setdefault("kinds", {})
    for event in events:
        kinds[event["kind"]] = kinds.get(event["kind"], 0) + 1
        _TAKE.get(event["kind"], _ignore)(merged, attempt, {**event, "attempt": 1, "rank": 0})
    merged.document = drawn(document, merged.ledger)
    return merged


def _child_document(opened: Event, parent: Document) -> Document:
    data, metadata = opened["data"], parent["metadata"]
    return {
        "metadata": {"uid": data["uid"], "name": data["name"], "project": metadata.get("project", "default")},
        "spec": {
            "kind": parent.get("spec", {}).get("kind", "local"),
            "params": data.get("params", {}),
            "parent": data.get("parent") or metadata["uid"],
        },
        "status": {"state": "running", "created": opened["time"]},
    }


def _left_open(opened: Event, parent: Document) -> Event:
    """The end of a child whose parent has ended without a word of it."""
    status = parent["status"]
    data = {
        "state": "failed",
        "cause": status.get("cause") or "Lost",
        "message": f"the run that opened it ended {status['state']} before it did",
        "advice": "Look at that run.",
        "provisional": True,
    }
    return {**opened, "kind": "end", "data": data, "time": status["ended"]}
