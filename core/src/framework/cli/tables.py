"""Aligned tables that fit the terminal."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from framework.cli.text import one_line

_GAP: Final = "  "
_NARROWEST: Final = 8  # columns that a flexible one keeps


class Cell(NamedTuple):
    """A text and its colour."""

    text: str
    color: str | None = None
    bold: bool = False
    dim: bool = False


class Column(NamedTuple):
    """A heading, in capitals unless verbatim; a flexible column gives way to a narrow terminal, numbers stand right."""

    title: str
    flexible: bool = False
    right: bool = False
    verbatim: bool = False


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def available() -> int | None:
    """The width of the terminal on standard output; None where it is none, and nothing needs to fit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def render(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], limit: int | None = None) -> str:
    """A table as text, with a heading.

    Args:
        columns: The headings.
        rows: The cells of each row.
        limit: How many columns of a terminal it may take; None: as many as it needs.
    """
    cells = [[_clean(cell) for cell in row] for row in rows]
    widths = [
        max([width(column.title), *(width(row[index].text) for row in cells)]) for index, column in enumerate(columns)
    ]
    if limit is not None:
        _squeeze(columns, widths, limit)
    head = [Cell(column.title if column.verbatim else column.title.upper(), bold=True) for column in columns]
    return "\n".join(_line(columns, widths, row) for row in [head, *cells])


def _clean(cell: Cell | str) -> Cell:
    cell = cell if isinstance(cell, Cell) else Cell(cell)
    return cell._replace(text=one_line(cell.text))


def _squeeze(columns: Sequence[Column], widths: list[int], limit: int) -> None:
    """Take from the widest flexible column, one by one, until the table fits or nothing more can give."""
    flexible = [index for index, column in enumerate(columns) if column.flexible]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - limit
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
        excess -= 1


def _line(columns: Sequence[Column], widths: Sequence[int], row: Sequence[Cell]) -> str:
    parts = []
    for column, room, cell in zip(columns, widths, row, strict=True):
        text = _fit(cell.text, room)
        padding = " " * (room - width(text))
        styled = (
            click.style(text, fg=cell.color, bold=cell.bold or None, dim=cell.dim or None)
            if cell[1:] != _PLAIN
            else text
        )
        parts.append(padding + styled if column.right else styled + padding)
    return _GAP.join(parts).rstrip()


_PLAIN: Final = (None, False, False)


def _fit(text: str, room: int) -> str:
    if width(text) <= room:
        return text
    kept = ""
    for char in text:
        if width(kept + char) >= room:
            break
        kept += char
    return kept + "…"
