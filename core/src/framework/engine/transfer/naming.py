"""Names in a merge: versions of functions and their tags, and projects.

A name that means one thing here and another there goes on to mean what it means here; the other is kept beside it under
``NAME-merged-DIGITS``, the digits being those of what it names, so that the same merge again finds it there. ``latest``
moves by itself, as ever: where the source has gone on from the version that is the latest here, it is the latest here
too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from attrs import frozen

from framework.databases import Document
from framework.documents.canonical import digest
from framework.engine.transfer.report import Conflict, Report
from framework.errors import NotFound

if TYPE_CHECKING:
    from framework.databases import Database

_LATEST: Final = "latest"


def bring_project(target: Database, document: Document, report: Report, *, dry_run: bool) -> None:
    """Bring a project; where another is called so, it is kept under a name of its own."""
    name = document["metadata"]["name"]
    bare = {"metadata": {"name": name}}  # the project `default` as it is where nobody has described it
    mine = _project(target, name)
    if document in (mine, bare):
        return
    if mine is not None and mine != bare:
        other = digest(document)
        kept_as = _other_name(name, other)
        report.conflicts.append(
            Conflict(what="project", name=name, stays=digest(mine), other=other, kept_as=kept_as),
        )
        if _project(target, kept_as) is not None:
            return
        document = {**document, "metadata": {**document["metadata"], "name": kept_as}}
    report.projects_new += 1
    if not dry_run:
        target.put_project(document)


def bring_tags(
    target: Database, history: Sequence[Document], known: Sequence[Document], report: Report, *, dry_run: bool
) -> None:
    """Bring the tags of a function, whose versions have been brought.

    Args:
        target: Where to.
        history: The function's versions in the source, with their tags.
        known: Its versions in the target as they were before.
        report: Is told.
        dry_run: Whether to look only.
    """
    metadata = history[0]["metadata"]
    place = (metadata.get("project", "default"), metadata["name"])
    here, there = _Side.of(known), _Side.of(history)
    for tag, version in sorted(there.tags.items()):
        kept_as = tag
        if tag in here.tags:
            kept_as = _settled("/".join(place), tag, here, there, report)
        elif tag != _LATEST:
            report.tags_new += 1
        if kept_as and not dry_run:
            target.tag_function(*place, version, kept_as)


@frozen
class _Side:
    """What one of the two knows of a function: its versions, and which of them each tag is."""

    versions: frozenset[str]
    tags: dict[str, str]

    @classmethod
    def of(cls, history: Sequence[Document]) -> _Side:
        tags = {tag: each["status"]["version"] for each in history for tag in each["status"].get("tags", ())}
        return cls(frozenset(each["status"]["version"] for each in history), tags)


def _settled(function: str, tag: str, here: _Side, there: _Side, report: Report) -> str:
    """Under which name a version of the source is to be tagged, whose tag is here already; empty: not at all."""
    mine, other = here.tags[tag], there.tags[tag]
    if mine == other:
        return ""
    known, followed = other in here.versions, mine in there.versions
    if tag == _LATEST and known != followed:  # one side has gone on from the other; where both know both, they differ
        if followed:
            report.tags_moved.append(f"{function}:{tag}")
        return tag if followed else ""
    kept_as = _other_name(tag, other)
    report.conflicts.append(
        Conflict(what="tag", name=f"{function}:{tag}", stays=mine, other=other, kept_as=f"{function}:{kept_as}")
    )
    if kept_as in here.tags:
        return ""
    report.tags_new += 1
    return kept_as


def _other_name(name: str, of: str) -> str:
    return f"{name}-merged-{of.removeprefix('sha256:')[:8]}"


def _project(target: Database, name: str) -> Document | None:
    try:
        return target.project(name)
    except NotFound:
        return None
