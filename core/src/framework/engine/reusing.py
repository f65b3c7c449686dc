"""A completed run of the same key in place of one that is asked for (`framework.engine.caching`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from framework.databases import Condition, RunQuery
from framework.errors import FrameworkError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.plan import Planned
    from framework.engine.session import Session
    from framework_run.events import Event

_CANDIDATES = 10  # completed runs of the same key that are looked at


def reuse(session: Session, planned: Planned) -> Document | None:
    """Record a run as completed by one that was completed before; None where there is none, and it has to be run.

    Then the run's document says why.
    """
    run, capture = planned.run, planned.capture
    if "cache" not in run["spec"]:
        return None
    if not planned.request.inline:  # as of any run apart
        run["status"]["environment"] = capture.settle()
    capture.keep(session.database)
    document = reuse_for(session, run, ttl_of(planned))
    if document is not None and "git" not in run["status"]["environment"]:
        from framework_run.events import observed

        uid = run["metadata"]["uid"]
        late = capture.late(session.database, uid)
        return session.database.apply(uid, [observed({"uid": uid}, "client", late)]) if late else document
    return document


def ttl_of(planned: Planned) -> float | None:
    """How old a run may be that is reused, in seconds; None for any age."""
    ttl: float | None = planned.request.cache.get("ttl", planned.function.spec.cache.ttl)
    return ttl


def reuse_for(session: Session, run: Document, ttl: float | None) -> Document | None:
    """As `reuse`, for an item of a map.

    Args:
        session: Where runs are recorded.
        run: The item's document.
        ttl: How old the other run may be (`ttl_of`).
    """
    cache = run["spec"].get("cache")
    if cache is None or "key" not in cache:
        return None
    misses = []
    for found in _completed(session, run, cache["key"]):
        if why := _unusable(session, found, ttl):
            misses.append(why)
        else:
            return _recorded(session, run, found)
    cache["miss"] = misses[0] if misses else "no completed run of the same key is recorded"
    return None


def _completed(session: Session, run: Document, key: str) -> list[Document]:
    condition = Condition(field="cache.key", operator="=", value=key)
    query = RunQuery(
        function=run["spec"]["function"],
        states=("completed",),
        parent=None,
        conditions=(condition,),
        limit=_CANDIDATES,
    )
    return session.database.runs(query)


def _unusable(session: Session, found: Document, ttl: float | None) -> str:
    """Why a completed run cannot be reused; empty where it can."""
    uid, status = found["metadata"]["uid"], found["status"]
    age = time.time() - status.get("ended", 0.0)
    if ttl is not None and age > ttl:
        return f"the run {uid} ended more than {ttl:g} s ago"
    for key, artifact in status.get("artifacts", {}).items():
        try:
            session.storage_of(artifact["uri"]).stat(artifact["uri"])
        except (FrameworkError, KeyError):
            return f"the artifact {key!r} of the run {uid} is gone"
    return ""


def _recorded(session: Session, run: Document, found: Document) -> Document:
    from framework.engine.live import handle
    from framework.engine.notifications import tell

    run["spec"]["cache"] = {"reused": run["spec"]["cache"]["key"]}
    session.database.create_run(run, handle=handle(session.home))
    events = list(_events(session, run, found))
    return tell(session, session.database.apply(run["metadata"]["uid"], events, durable=True))


def _events(session: Session, run: Document, found: Document) -> Iterator[Event]:
    """What a run would have said that did what the found one did."""
    from framework_run import ends
    from framework_run.events import Producer
    from framework_run.numbers import encode

    uid, status = found["metadata"]["uid"], found["status"]
    producer = Producer({"uid": run["metadata"]["uid"]})
    yield producer.event("state", {"state": "running", "cached_from": uid})
    yield producer.event("log", {"stream": "system", "text": f"reused what the run {uid} gave\n"})
    if status.get("results"):
        yield producer.event("result", {"values": status["results"]})
    for key in status.get("metrics", {}):
        steps, values, times = zip(*session.database.metric(uid, key), strict=True)
        yield producer.event("metric", {"key": key, "steps": steps, "values": encode(list(values)), "times": times})
    for artifact in session.database.artifacts(run=uid, limit=None):
        spec = {name: fact for name, fact in artifact["spec"].items() if name not in {"run", "created", "iteration"}}
        yield producer.event("artifact", {"key": artifact["metadata"]["key"], **spec})
    yield producer.event("end", ends.completed())
