"""``framework function diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from framework.cli.functions.reference import abbreviated, find
from framework.cli.options import json_option, project_option
from framework.cli.output import following, note, write_json, write_table
from framework.cli.session import opened
from framework.cli.tables import Cell, Column
from framework.cli.text import value

if TYPE_CHECKING:
    from framework.databases import Document


@click.command("diff")
@click.argument("a")
@click.argument("b")
@project_option
@json_option
def diff_(a: str, b: str, project: str | None, as_json: bool) -> None:
    """Show what differs between two versions: files of the code, and fields of the spec.

    A is name, name:tag or name@sha256:…; B likewise, or only :tag or @sha256:… of the same function.
    """
    session = opened()
    if b[:1] in {":", "@"}:
        b = _bare(a) + b
    older, newer = find(session, a, project), find(session, b, project)
    changes = differences(older, newer)
    versions = [str(kept["status"]["version"]) for kept in (older, newer)]
    if as_json:
        write_json({"from": versions[0], "to": versions[1], "changes": changes})
        return
    name = older["metadata"]["name"]
    if not changes:
        note("They are the same version." if versions[0] == versions[1] else "Nothing that enters a version differs.")
    else:
        columns = [
            Column("field"),
            *(Column(abbreviated(version), flexible=True, verbatim=True) for version in versions),
        ]
        write_table(columns, [_row(change) for change in changes])
        note(f"{len(changes)} field{'s differ' if len(changes) != 1 else ' differs'}.")
    following(f"framework function history {name}")


def differences(older: Document, newer: Document) -> list[dict[str, Any]]:
    """The fields of the identity that differ, by path: ``[{field, from, to}]``; None where a version lacks it."""
    from framework.documents.converters import load
    from framework.documents.identity import diff
    from framework.models import Function

    changes = diff(load(older, Function), load(newer, Function))
    return [{"field": name, "from": before, "to": after} for name, before, after in changes]


def _row(change: dict[str, Any]) -> list[Cell | str]:
    is_file = change["field"].startswith("code.files.")
    texts = ["-" if content is None else value(content, 200) for content in (change["from"], change["to"])]
    if is_file:
        texts = [text if text == "-" else text.removeprefix("sha256:")[:12] for text in texts]
    return [change["field"], Cell(texts[0], "red"), Cell(texts[1], "green")]


def _bare(name: str) -> str:
    """The name without tag and version; the scheme of a URI has a colon too."""
    head, mark, tail = name.partition("@")[0].partition("://")
    return head + mark + tail.partition(":")[0] if mark else head.partition(":")[0]
