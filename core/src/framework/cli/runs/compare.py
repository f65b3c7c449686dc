"""``framework runs compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from framework.cli.documents import complete_run, seconds_taken
from framework.cli.options import json_option
from framework.cli.output import following, note, state_cell, write_json, write_table
from framework.cli.session import collected
from framework.cli.tables import Cell, Column
from framework.cli.text import duration, value
from framework.cli.uids import latest, shorten
from framework.engine.compare.changes import differs
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document


@click.command("compare")
@click.argument("uids", nargs=-1, metavar="[UID UID...]")
@json_option
def compare(uids: tuple[str, ...], as_json: bool) -> None:
    """Show runs side by side, and what differs.

    State, function, parameters, inputs, results, metrics and duration; what differs is marked.
    """
    database = collected().database
    found = [database.run(uid) for uid in uids] if uids else latest(database, 2)
    runs = [complete_run(run) for run in found]
    names = [run["metadata"]["uid"] for run in runs]
    if len(set(names)) < 2:  # noqa: PLR2004
        raise UsageError("it takes two different runs to compare", advice="Write framework runs compare UID UID.")
    fields = _fields(runs)
    if as_json:
        write_json(_document(names, fields))
        return
    short = shorten(names)
    columns = [Column(""), *(Column(short[uid], flexible=True, verbatim=True) for uid in names)]
    write_table(columns, [_row(name, values) for name, values in fields])
    equal = sum(1 for _, values in fields if not differs(values))
    note(f"{len(fields) - equal} of {len(fields)} fields differ (marked *).")
    following(f"framework runs show {short[names[0]]}")


def _fields(runs: list[Document]) -> list[tuple[str, list[Any]]]:
    """Each field that a run has, with its value in every run; None where a run lacks it."""
    fields: list[tuple[str, list[Any]]] = [
        ("name", [run["metadata"]["name"] for run in runs]),
        ("state", [state_cell(run).text for run in runs]),
        ("function", [run["spec"]["function"] for run in runs]),
        ("kind", [run["spec"]["kind"] for run in runs]),
        ("duration", [seconds_taken(run) for run in runs]),
    ]
    for part, name in (("spec", "params"), ("spec", "inputs"), ("status", "results"), ("status", "metrics")):
        for key in dict.fromkeys(key for run in runs for key in run[part][name]):
            values = [run[part][name].get(key) for run in runs]
            fields.append((f"{name}.{key}", values))
    return fields


def _document(uids: list[str], fields: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    return [
        {"field": name, "values": dict(zip(uids, values, strict=True)), "differs": differs(values)}
        for name, values in fields
    ]


def _row(name: str, values: list[Any]) -> list[Cell | str]:
    from framework.documents.numbers import decode

    if name == "duration":
        return [name, *(duration(content) for content in values)]
    texts = ["-" if content is None else value(decode(content), 200) for content in values]
    if name == "function":
        texts = [_abbreviated(text) for text in texts]
    if not differs(values):
        return [Cell(name, dim=True), *(Cell(text, dim=True) for text in texts)]
    return [Cell(f"{name} *", bold=True), *(Cell(text, "yellow") for text in texts)]


def _abbreviated(uri: str) -> str:
    head, mark, digest = uri.partition("@sha256:")
    return head + mark + digest[:12]
