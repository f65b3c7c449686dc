"""``framework why``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from framework.cli.explain.changes import code_lines, columns, rows
from framework.cli.explain.diff import encoded
from framework.cli.explain.subjects import Subject, alike, of_run, of_version, subject
from framework.cli.options import json_option, project_option
from framework.cli.output import following, heading, note, say, write_json, write_table
from framework.cli.session import collected
from framework.errors import NotFound

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.compare.changes import Change
    from framework.engine.session import Session

_LOOKED_AT: Final = 50  # runs among which one that could have been reused is looked for
_SECTIONS: Final = ("code", "spec", "packages", "environment", "parameters", "inputs", "request")


@click.command("why")
@click.argument("a")
@click.argument("b", required=False)
@project_option
@json_option
def why(a: str, b: str | None, project: str | None, as_json: bool) -> None:
    """Explain why a version or a run is another one.

    A and B are functions (name, name:tag, name@sha256:…) or uids of runs. A alone is compared with the version, or
    the run of the same function, before it.

    What goes in is compared, part by part, to the field and the line. Of a run with caching, it is said why another
    one was reused, or why none was.
    """
    session = collected()
    later = subject(session, a, project)
    if b is None:
        earlier = before(session, later)
    else:
        earlier, later = alike(session, later, subject(session, b, project))
    found = _explained(session, earlier, later)
    if as_json:
        write_json(_document(earlier, later, found))
        return
    _print(earlier, later, found)


def before(session: Session, later: Subject) -> Subject:
    """The version, or the run of the same function, before one.

    Raises:
        NotFound: It is the first.
    """
    if later.is_run:
        return of_run(session, _run_before(session, later.document))
    metadata, version = later.document["metadata"], later.document["status"]["version"]
    history = session.database.function_history(metadata.get("project", "default"), metadata["name"])
    versions = [kept["status"]["version"] for kept in history]
    place = versions.index(version) + 1
    if place >= len(history):
        raise NotFound(
            f"{metadata['name']} has no version before {later.label}: it is the first",
            advice=f"Name another one: framework why {metadata['name']} OTHER",
        )
    return of_version(history[place])


def _run_before(session: Session, run: Document) -> Document:
    from framework.databases import RunQuery

    uid, created = run["metadata"]["uid"], run["status"].get("created")
    if source := run["status"].get("cached_from"):
        return session.database.run(source)
    function = run.get("spec", {}).get("function", "").partition("@")[0]
    if function:
        cached = "key" in run["spec"].get("cache", {})
        parent = None if cached else run["spec"].get("parent") or ""  # whoever has the same key may be reused
        query = RunQuery(function=function, parent=parent, until=created, limit=_LOOKED_AT if cached else 2)
        others = [found for found in session.database.runs(query) if found["metadata"]["uid"] != uid]
        reusable = [found for found in others if cached and _is_reusable(found)]
        if others:
            return (reusable or others)[0]
    raise NotFound(
        f"there is no run of {function or 'its function'} before {uid}",
        advice=f"Name another run: framework why {uid} OTHER",
    )


def _is_reusable(run: Document) -> bool:
    return "key" in run["spec"].get("cache", {}) and run["status"].get("state") == "completed"


def _caching(run: Document) -> str:
    """What caching has done for a run; empty where it had no part in it."""
    if source := run["status"].get("cached_from"):
        return f"It was not run: it reused what the run {source} gave, which was asked for the same"
    if miss := run.get("spec", {}).get("cache", {}).get("miss"):
        return f"It was run, although it may reuse another: {miss}"
    return ""


class _Found:
    """What is found of two subjects: the changes of what goes in, what is the same, what is unknown, what came out."""

    def __init__(self) -> None:
        self.changed: list[Change] = []
        self.same: list[str] = []
        self.unknown: list[str] = []
        self.outcome: list[Change] = []


def _explained(session: Session, earlier: Subject, later: Subject) -> _Found:
    found = _Found()
    if earlier.is_run:
        from framework.engine.compare.runs import input_changes, outcome_changes

        found.changed, found.unknown = input_changes(session, earlier.document, later.document)
        found.outcome = outcome_changes(earlier.document, later.document)
        differing = {change.section for change in found.changed}
        found.same = [name for name in _SECTIONS if name not in differing]
    else:
        from framework.engine.compare.versions import same_parts, version_changes

        found.changed, found.unknown = version_changes(session, earlier.document, later.document)
        found.same = same_parts(earlier.document, later.document)
    return found


def _document(earlier: Subject, later: Subject, found: _Found) -> dict[str, Any]:
    return {
        "from": earlier.json(),
        "to": later.json(),
        "changed": [encoded(change) for change in found.changed],
        "same": found.same,
        "unknown": found.unknown,
        "outcome": [encoded(change) for change in found.outcome],
        **({"cache": text} if later.is_run and (text := _caching(later.document)) else {}),
    }


def _print(earlier: Subject, later: Subject, found: _Found) -> None:
    say(f"{heading(later.name)}  {earlier.label} → {later.label}")
    if found.changed:
        say()
        write_table(columns(earlier.label, later.label), rows(found.changed))
        for line in code_lines(found.changed):
            say(line)
    say()
    say(f"{heading('Same')}  {', '.join(found.same) or 'nothing'}")
    if found.outcome:
        say()
        say(heading("What came out"))
        write_table(columns(earlier.label, later.label), rows(found.outcome))
    if later.is_run and (text := _caching(later.document)):
        note(f"{text}.")
    for text in found.unknown:
        note(f"Unknown: {text}.")
    if not found.changed and not found.unknown:
        note(_nothing(earlier, found))
    if later.is_run:
        following(f"framework runs show {later.label}", f"framework replay {later.label}")
    else:
        following(f"framework function history {later.name}")


def _nothing(earlier: Subject, found: _Found) -> str:
    if not earlier.is_run:
        return "They are the same version."
    results = any(change.section == "results" for change in found.outcome)
    return "Everything that went in is the same" + (
        ": what came out differs by chance, time, or what the code reads by itself." if results else "."
    )
