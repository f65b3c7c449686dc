"""Replay: a recorded run again, with its code, packages, parameters and inputs; what is not as it was is named."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from attrs import Factory, define

from framework.databases import RunQuery
from framework.engine.again import request_again
from framework.engine.compare.runs import environment_of
from framework.engine.packages import package_lines, requirements
from framework.errors import BackendError, NotFound, SourceError, StorageError, UsageError
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.map_plan import PlannedMap
    from framework.engine.plan import Planned
    from framework.engine.request import RunRequest
    from framework.engine.session import Session


@define(kw_only=True)
class Replay:
    """A run that can be repeated.

    Args:
        request: What to plan.
        root: The folder with its code; None where it is an installed module's.
        notes: What could not be restored, or is not as it was, a sentence each.
        items: Of a map, the parameters of each item.
        repeated: Of a map, the uids of the runs that its items repeat, by the items' numbers.
        parallelism: Of a map, how many ran at once, at most.
    """

    request: RunRequest
    root: Path | None
    notes: list[str]
    items: Sequence[Mapping[str, Any]] | None = None
    repeated: Mapping[int, str] = Factory(dict)
    parallelism: int = 0


def prepare(
    session: Session,
    run: Document,
    *,
    kind: str = "",
    inputs: Mapping[str, str] | None = None,
    here: bool = False,
) -> Replay:
    """Make the request of a recorded run again.

    Args:
        session: Where it is recorded.
        run: Its document.
        kind: The kind of runtime; the recorded one unless told.
        inputs: Places that stand for recorded inputs.
        here: Use the packages of this environment, whatever the run had.

    Raises:
        UsageError: It has not ended, or its code or an input is gone; the error says what to do.
    """
    uid = run["metadata"]["uid"]
    if run.get("status", {}).get("state") not in ENDED:
        raise UsageError(f"the run {uid} has not ended", advice=f"See: framework logs -f {uid}")
    mapped = run["spec"].get("map")
    items = _items(session, run) if mapped else None
    request = attrs.evolve(
        request_again(session, run),
        replays=uid,
        parent="",
        notifications=[],
        cache={"enabled": False},
    )
    request.kind = kind or request.kind
    request.retry = mapped.get("retry", {}) if mapped else request.retry
    root = _code(session, run)
    notes = _folder_notes(request)
    notes += _inputs(session, run, request, dict(inputs or {}))
    notes += _environment(session, run, request, here=here)
    again = Replay(request=request, root=root, notes=notes, items=items)
    if mapped:
        again.repeated = {item["spec"]["iteration"]: item["metadata"]["uid"] for item in children(session, run)}
        again.parallelism = mapped["parallelism"]
    return again


def plan_again(session: Session, again: Replay) -> Planned | PlannedMap:
    """The plan of a replay; errors as of `plan` and `plan_map`."""
    if again.items is None:
        from framework.engine.plan import plan

        return plan(session, again.request)
    from framework.engine.map_plan import plan_map

    return plan_map(session, again.request, again.items, again.parallelism, again.repeated)


def execute_again(session: Session, again: Replay, *, watch: bool = True) -> Document:
    """Run a replay; arguments and result as of `execute`."""
    from framework.engine.execute import execute
    from framework.engine.map_plan import PlannedMap
    from framework.engine.mapping import execute_map

    planned = plan_again(session, again)
    if isinstance(planned, PlannedMap):
        return execute_map(session, planned, watch=watch)
    return execute(session, planned, watch=watch)


def children(session: Session, run: Document) -> list[Document]:
    """The runs of a map's items, in their order."""
    return session.database.runs(RunQuery(parent=run["metadata"]["uid"], descending=False, limit=None))


def _items(session: Session, run: Document) -> list[dict[str, Any]]:
    """The parameters of a map's items.

    Raises:
        UsageError: They are not kept.
    """
    from framework.engine.map_plan import listed

    uid = run["metadata"]["uid"]
    try:
        return listed(session.database.content(run["spec"]["map"].get("params", "")))
    except NotFound:
        raise UsageError(
            f"the parameters of the items of the map {uid} are not kept",
            advice=f"Replay an item, or give the items again. See: framework runs show {uid}",
        ) from None


def _code(session: Session, run: Document) -> Path | None:
    """The folder with the code of a run, unpacked.

    Raises:
        UsageError: It is gone.
    """
    from framework.engine.stored import load_stored

    uid, target = run["metadata"]["uid"], run["spec"]["function"]
    try:
        loaded = load_stored(session, target)
    except (SourceError, StorageError) as error:
        git = environment_of(run).get("git", {})
        patch = f", and framework runs patch {uid}" if git.get("patch") else ""
        commit = f"It was started from the git commit {git['commit']}{patch}." if git.get("commit") else error.advice
        raise UsageError(f"the code of the run {uid} is gone: {error.message}", advice=commit) from None
    if loaded.function.spec.code.module == "inline":
        raise UsageError(
            f"the run {uid} was of a function that is part of the code around it, of which only the text is kept",
            advice=f"See it: framework function show {target}",
        )
    return loaded.root


def _folder_notes(request: RunRequest) -> list[str]:
    if request.folder and not Path(request.folder).is_dir():
        gone, request.folder = request.folder, ""
        return [f"the folder {gone} is gone: relative paths are meant from here"]
    return []


def _inputs(session: Session, run: Document, request: RunRequest, given: dict[str, str]) -> list[str]:
    """Find the recorded inputs again; returns what has changed.

    Raises:
        UsageError: One is gone, or one that is given was none.
    """
    from framework.engine.inputs import contents, located

    uid = run["metadata"]["uid"]
    unknown = sorted(set(given) - set(request.inputs))
    if unknown:
        raise UsageError(
            f"the run {uid} had no input {unknown[0]!r}", advice=f"It had {', '.join(request.inputs) or 'none'}."
        )
    recorded = run["spec"].get("input_contents", {})
    notes = []
    for name, place in request.inputs.items():
        digest = recorded.get(name, {}).get("digest", "")
        wanted = given[name] if name in given else _pinned(place, digest)
        try:
            single = attrs.evolve(request, inputs={name: wanted}, folder="" if name in given else request.folder)
            there = located(session, single)
        except (UsageError, StorageError) as error:
            raise UsageError(
                f"the input {name!r} of the run {uid} is gone: {error.message}",
                advice=f"Give another: framework replay {uid} --input {name}=PATH",
            ) from None
        request.inputs[name] = there[name]["path"] if name in given else wanted
        found = contents(session.home, there)[name]
        if recorded.get(name) and found != recorded[name]:
            notes.append(f"the input {name!r} has changed: it was {_said(recorded[name])}, and is {_said(found)}")
    return notes


def _pinned(place: str, digest: str) -> str:
    """An artifact by its content: its tag may have moved."""
    if place.startswith("store://") and "@" not in place and digest:
        from framework.uris import ArtifactUri

        return str(attrs.evolve(ArtifactUri.parse(place), tag="", digest=digest))
    return place


def _said(content: Mapping[str, Any]) -> str:
    return str(content.get("digest", content.get("size", "unknown")))[:19]


def _environment(session: Session, run: Document, request: RunRequest, *, here: bool) -> list[str]:
    """Have the recorded Python and packages where they differ from those here; returns what is not as it was."""
    from framework.engine.capture.capture import package_set

    if not _shares_this_machine(session, request):
        return []  # the image has both
    then = environment_of(run)
    notes = _python(then.get("python", ""), request, here=here)
    if then.get("packages") == package_set()[0] and not request.python:
        return notes
    lines = package_lines(session.database, then)
    if lines is None:
        return [*notes, "the packages that it had are not known: those of this environment are used"]
    if here:
        return [*notes, "the packages are those of this environment, which are others than it had (see framework diff)"]
    wanted, left = requirements(lines)
    request.packages = then["packages"] if wanted else ""
    ours = set(package_set()[1].decode("utf-8", "surrogateescape").splitlines())
    return [*notes, *(f"the package {line} cannot be installed again" for line in left if line not in ours)]


def _python(then: str, request: RunRequest, *, here: bool) -> list[str]:
    """Have an interpreter of the recorded minor version, where there is one; returns what is not as it was."""
    from framework import interpreters

    request.python, now = "", sys.version.split(maxsplit=1)[0]
    minor = then.rpartition(".")[0]
    if minor and minor != now.rpartition(".")[0] and not here:
        try:
            now = interpreters.version(interpreters.find(f"=={minor}.*"))
        except BackendError:
            return [f"Python was {then}, and is {now}: there is no Python {minor} here (uv python install {minor})"]
        request.python = minor
    return [f"Python was {then}, and is {now}"] if then not in ("", now) else []


def _shares_this_machine(session: Session, request: RunRequest) -> bool:
    """Whether the kind runs with an interpreter of this machine; elsewhere the image says what is installed."""
    known = session.plugins.runtimes().get(request.kind)
    return known is not None and "process" in known.item.capabilities
