"""``framework runs list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from framework.cli.documents import complete_run, seconds_taken
from framework.cli.filters import query, run_filters
from framework.cli.options import json_option
from framework.cli.output import following, note, state_cell, write_json, write_table
from framework.cli.progress import told
from framework.cli.session import collected
from framework.cli.tables import Cell, Column
from framework.cli.text import duration, moment, pairs
from framework.cli.uids import shorten_runs

if TYPE_CHECKING:
    from framework.databases import Document

_STATE = Column("state")
_COLUMNS = (
    Column("uid"),
    Column("name", flexible=True),
    _STATE,
    Column("created"),
    Column("duration", right=True),
    Column("params", flexible=True),
    Column("results", flexible=True),
)


@click.command("list")
@run_filters
@json_option
def list_runs(as_json: bool, **filters: Any) -> None:
    """List runs, the newest first."""
    database = collected().database
    if filters["parent"]:
        filters["parent"] = database.run(filters["parent"])["metadata"]["uid"]
    asked = query(**filters)
    found = database.runs(asked)
    if as_json:
        write_json([complete_run(run) for run in found])
        return
    if not found:
        note("No run fits." if _narrowed(filters) else "There are no runs yet.")
        following("framework runs list" if _narrowed(filters) else "framework run FILE.py:FUNCTION")
        return
    write_runs(found)
    if asked.limit is not None and len(found) == asked.limit:
        total = database.count_runs(asked)
        if total > len(found):
            note(f"{len(found):,} of {total:,} runs; --all shows every one.")
    short = shorten_runs(found)
    following(f"framework runs show {next(iter(short.values()))}")


def write_runs(runs: list[Document]) -> None:
    """A table of runs."""
    short = shorten_runs(runs)
    projects = {run["metadata"].get("project", "default") for run in runs}
    columns = list(_COLUMNS)
    if len(projects) > 1:
        columns.insert(1, Column("project"))
    going = [progress_of(run) for run in runs]
    if any(going):
        columns.insert(columns.index(_STATE) + 1, Column("progress", flexible=True))
    rows = []
    for run, progress in zip(runs, going, strict=True):
        row = _row(run, short[run["metadata"]["uid"]])
        if any(going):
            row.insert(3, progress)
        if len(projects) > 1:
            row.insert(1, Cell(run["metadata"].get("project", "default")))
        rows.append(row)
    write_table(columns, rows)


def progress_of(run: Document) -> str:
    """How far a running run is; empty for any other."""
    status = run.get("status", {})
    return told(status.get("progress") or {}) if status.get("state") == "running" else ""


def _row(run: Document, uid: str) -> list[Cell | str]:
    from framework.documents.numbers import decode

    status = run.get("status", {})
    return [
        uid,
        run["metadata"].get("name", ""),
        state_cell(run),
        moment(status.get("created")),
        duration(seconds_taken(run)),
        pairs(decode(run.get("spec", {}).get("params", {}))),
        pairs(decode(status.get("results", {}))),
    ]


def _narrowed(filters: dict[str, Any]) -> bool:
    usual = {"sort", "limit", "every"}
    return any(content for name, content in filters.items() if name not in usual)
