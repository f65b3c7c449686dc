"""What commands write: results to standard output, everything about them to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from framework.cli.tables import Cell, Column, available, render

if TYPE_CHECKING:
    from framework.databases import Document

COLORS: Final = {
    "completed": "green",
    "failed": "red",
    "aborted": "yellow",
    "running": "cyan",
    "pending": "blue",
    "created": "blue",
    "skipped": "white",
}


def say(text: str = "") -> None:
    """A line of the result, to standard output."""
    click.echo(text)


def note(text: str) -> None:
    """A line about the result, to standard error."""
    click.echo(text, err=True)


def following(*commands: str) -> None:
    """The next likely commands, to standard error."""
    for index, command in enumerate(commands):
        note(("Next: " if index == 0 else "      ") + command)


def write_json(content: Any) -> None:
    """One JSON document, to standard output. What JSON cannot carry has been encoded already, as in every document."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def write_yaml(content: Any) -> str:
    """The content as YAML, keys in the order that they have."""
    from framework.documents import yaml

    return yaml.write(content).rstrip("\n")


def write_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]]) -> None:
    """A table, fitted to the terminal."""
    say(render(columns, rows, available()))


def state_cell(run: Document) -> Cell:
    """The state of a run in its colour, with the cause behind it: ``failed: Timeout``."""
    status = run.get("status", {})
    state = status.get("state", "created")
    cause = status.get("cause")
    text = f"{state}: {cause}" if cause and state == "failed" else state
    return Cell(text + (" (provisional)" if status.get("provisional") else ""), COLORS.get(state))


def styled(cell: Cell) -> str:
    """A cell outside a table."""
    return click.style(cell.text, fg=cell.color, bold=cell.bold or None, dim=cell.dim or None)


def heading(text: str) -> str:
    """The title of a part of a page."""
    return click.style(text, bold=True)
