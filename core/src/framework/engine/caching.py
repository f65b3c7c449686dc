"""Caching: a run that was completed is reused for one that asks for the same.

The same is: the function with its version, the parameters, what the inputs hold, the names of what is returned, and the
environment (packages, Python's minor version, platform) of the side that asks. Off unless the function or the call asks
for it; a run that failed is never reused, and neither is one that was itself reused: what is found is the run that ran.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.databases import Condition, RunQuery
from framework.errors import FrameworkError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.plan import Planned
    from framework.engine.request import RunRequest
    from framework.engine.session import Session
    from framework.models import Function
    from framework_run.events import Event

_HERE_ONLY = "inline"  # the module of a function that cannot be sent: a closure, a lambda, a bound method
_CANDIDATES = 10  # completed runs of the same key that are looked at


def policy(cache: bool | Mapping[str, Any]) -> dict[str, Any]:
    """A policy as people give it: whether, or ``{"ttl": seconds}``.

    Raises:
        DocumentError: It is none of these.
    """
    if isinstance(cache, bool):
        return {"enabled": cache}
    from framework.documents.converters import structure
    from framework.models.function import Cache

    found = structure({"enabled": True, **cache}, Cache, source="cache", at="$.cache")
    return {"enabled": found.enabled, **({} if found.ttl is None else {"ttl": found.ttl})}


def is_on(request: RunRequest, function: Function) -> bool:
    """Whether a run may reuse another."""
    return bool(request.cache.get("enabled", function.spec.cache.enabled))


def note_key(run: Document, request: RunRequest, function: Function) -> None:
    """Note in a run's document by which key it can be reused, where caching is on."""
    if not is_on(request, function) or request.pdb:
        return
    from framework.documents.canonical import digest

    spec, facts = run["spec"], run["status"]["environment"]
    contents = spec.get("input_contents", {})
    if not all(contents.get(name) for name in spec.get("inputs", {})):
        return  # an input that cannot be read: the run says so itself
    if miss := _unknown(function):
        spec["cache"] = {"miss": miss}
        return
    parts = {
        "version": function.status.version,
        "params": spec["params"],
        "raw": spec.get("raw", []),
        "args": spec.get("args", []),
        "inputs": contents,
        "returns": spec.get("returns", []),
        "packages": facts["packages"],
        "python": facts["python"].rpartition(".")[0],
        "platform": [facts["platform"], facts["machine"]],
    }
    if function.spec.environment.env_from_file:
        parts["env"] = _variables(Path(request.folder) / function.spec.environment.env_from_file)
    spec["cache"] = {"key": digest(parts)}


def _variables(path: Path) -> str:
    """The text of a file of variables, of which the version has the path alone; what is wrong with it is said later."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _unknown(function: Function) -> str:
    """What of a function its version does not hold, so that no run of it can be said to be the same; usually empty."""
    code = function.spec.code
    if code.module == _HERE_ONLY:
        return "what the function uses of the code around it is not in its version"
    if code.command and not code.files:
        return "what the command runs is not in its version"
    return ""


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
    document = reuse_for(session, run, planned)
    if document is not None and "git" not in run["status"]["environment"]:
        from framework_run.events import observed

        uid = run["metadata"]["uid"]
        late = capture.late(session.database, uid)
        return session.database.apply(uid, [observed({"uid": uid}, "client", late)]) if late else document
    return document


def reuse_for(session: Session, run: Document, planned: Planned) -> Document | None:
    """As `reuse`, for an item of a map.

    Args:
        session: Where runs are recorded.
        run: The item's document.
        planned: The plan of an item of the map.
    """
    cache = run["spec"].get("cache")
    if cache is None or "key" not in cache:
        return None
    ttl = planned.request.cache.get("ttl", planned.function.spec.cache.ttl)
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
