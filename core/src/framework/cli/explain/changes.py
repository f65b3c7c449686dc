"""Changes on the terminal: a table, and the lines of the code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from framework.cli.output import heading
from framework.cli.tables import Cell, Column
from framework.cli.text import duration, one_line, size, value

if TYPE_CHECKING:
    from framework.engine.compare.changes import Change

_LONG: Final = 200  # characters of a value
_DIGITS: Final = 12  # of a digest
_LINES: Final = 400  # of the code's differences


def columns(one: str, other: str) -> list[Column]:
    """The columns of a table of changes."""
    return [Column(""), Column("field"), *(Column(label, flexible=True, verbatim=True) for label in (one, other))]


def rows(changes: Sequence[Change]) -> list[list[Cell | str]]:
    """The rows of a table of changes."""
    return [_row(change, changes[index - 1].section if index else "") for index, change in enumerate(changes)]


def code_lines(changes: Sequence[Change]) -> Iterator[str]:
    """The lines that differ, file by file, as `diff -u` writes them."""
    lines = [line for change in changes for line in change.diff.splitlines()]
    for line in lines[:_LINES]:
        yield _coloured(line)
    if len(lines) > _LINES:
        yield f"… {len(lines) - _LINES} more lines (all with --json)"


def shown(change: Change, content: Any) -> str:
    """One side of a change."""
    if content is None:
        return "-"
    if change.field == "duration":
        return duration(content)
    if change.field == "peak memory":
        return size(content)
    if isinstance(content, str) and content.startswith("sha256:"):
        return content.removeprefix("sha256:")[:_DIGITS]
    return value(content, _LONG)


def _row(change: Change, above: str) -> list[Cell | str]:
    section = Cell(change.section if change.section != above else "", bold=True)
    field = change.field
    if change.diff:
        from framework.engine.compare.versions import lines_changed

        added, removed = lines_changed(change.diff)
        field = f"{field} (+{added} -{removed})"
    return [section, field, Cell(shown(change, change.before), "red"), Cell(shown(change, change.after), "green")]


def _coloured(line: str) -> str:
    text = "\t".join(one_line(part) for part in line.split("\t"))
    if line.startswith(("---", "+++")):
        return heading(text)
    color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return click.style(text, fg=color) if color else text
