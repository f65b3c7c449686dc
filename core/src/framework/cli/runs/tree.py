"""The children of a run, drawn as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.cli.documents import seconds_taken
from framework.cli.output import state_cell, styled
from framework.cli.text import duration, one_line, pairs
from framework.cli.uids import shorten_runs

if TYPE_CHECKING:
    from framework.databases import Database, Document


def tree(database: Database, uid: str, limit: int) -> list[str]:
    """The lines of the tree below a run.

    Args:
        database: Where the children are.
        uid: The run.
        limit: How many lines at most; the rest is counted.
    """
    lines: list[str] = []
    total = _grow(database, uid, "", lines, limit)
    if total > len(lines):
        lines.append(f"… and {total - len(lines):,} more")
    return lines


def _grow(database: Database, uid: str, indent: str, lines: list[str], room: int) -> int:
    """Add the children of ``uid`` and theirs, up to ``room`` lines; returns how many there are as far as was looked."""
    from framework.databases import RunQuery

    asked = RunQuery(parent=uid, descending=False, limit=room)
    children = database.runs(asked)
    total = len(children) if len(children) < room else database.count_runs(asked)
    names = shorten_runs(children)
    for index, child in enumerate(children):
        last = index == len(children) - 1
        if len(lines) < room:
            lines.append(f"{indent}{'└─' if last else '├─'} {_line(child, names[child['metadata']['uid']])}")
            total += _grow(database, child["metadata"]["uid"], indent + ("   " if last else "│  "), lines, room)
    return total


def _line(run: Document, uid: str) -> str:
    from framework.documents.numbers import decode

    words = [
        one_line(run["metadata"].get("name", "")),
        styled(state_cell(run)),
        "reused" if run.get("status", {}).get("cached_from") else "",
        duration(seconds_taken(run)),
        pairs(decode(run.get("spec", {}).get("params", {}))),
        pairs(decode(run.get("status", {}).get("results", {}))),
    ]
    return "  ".join([uid, *(word for word in words if word and word != "-")])
