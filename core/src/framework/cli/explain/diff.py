"""``framework diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from framework.cli.explain.changes import code_lines, columns, rows
from framework.cli.explain.subjects import alike, subject
from framework.cli.options import json_option, project_option
from framework.cli.output import following, note, say, write_json, write_table
from framework.cli.session import collected

if TYPE_CHECKING:
    from framework.cli.explain.subjects import Subject
    from framework.engine.compare.changes import Change
    from framework.engine.session import Session


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--code", is_flag=True, help="Print the lines of the code that differ, too.")
@project_option
@json_option
def diff(a: str, b: str, code: bool, project: str | None, as_json: bool) -> None:
    """Show what differs between two runs or versions.

    A and B are uids of runs, or functions (name, name:tag, name@sha256:…).

    Of runs: code, spec, packages and other surroundings, parameters, inputs by their content, results, metrics,
    outcome. Of a run and a version: the run's version and that one.
    """
    session = collected()
    one, other = alike(session, subject(session, a, project), subject(session, b, project))
    report(session, one, other, code=code, as_json=as_json)


def report(session: Session, one: Subject, other: Subject, *, code: bool, as_json: bool) -> None:
    """Write what differs between two things that can be compared.

    Args:
        session: Where they are.
        one: A run or a version.
        other: Another of its kind.
        code: Whether the lines of the code are printed.
        as_json: Whether it is one JSON document, which has them anyway.
    """
    changes, notes = changes_of(session, one, other)
    if as_json:
        write_json(
            {
                "from": one.json(),
                "to": other.json(),
                "changes": [encoded(change) for change in changes],
                "unknown": notes,
            }
        )
        return
    if changes:
        write_table(columns(one.label, other.label), rows(changes))
    if code:
        for line in code_lines(changes):
            say(line)
    _conclude(one, other, changes, notes, code=code)


def changes_of(session: Session, one: Subject, other: Subject) -> tuple[list[Change], list[str]]:
    """What differs, and what could not be compared."""
    from framework.engine.compare.runs import run_changes
    from framework.engine.compare.versions import version_changes

    return (run_changes if one.is_run else version_changes)(session, one.document, other.document)


def encoded(change: Change) -> dict[str, object]:
    """A change as JSON can carry it."""
    from framework_run.numbers import encode

    document: dict[str, object] = encode(change.document())
    return document


def _conclude(one: Subject, other: Subject, changes: list[Change], notes: list[str], *, code: bool) -> None:
    for text in notes:
        note(f"Unknown: {text}.")
    if not changes:
        same = "the same " + ("run" if one.is_run else "version")
        note(f"They are {same}." if one.json() == other.json() else "Nothing differs.")
    else:
        note(f"{len(changes)} field{'s differ' if len(changes) != 1 else ' differs'}.")
    if any(change.diff for change in changes) and not code:
        following(f"framework diff {one.label} {other.label} --code" if one.is_run else _with_code(one, other))
    elif one.is_run:
        following(f"framework why {one.label} {other.label}")


def _with_code(one: Subject, other: Subject) -> str:
    names = (f"{subject.name}@{subject.label}" for subject in (one, other))
    return f"framework diff {' '.join(names)} --code"
