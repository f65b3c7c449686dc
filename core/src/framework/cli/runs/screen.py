"""A table of runs on a terminal, drawn over itself; elsewhere a line for each change."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Protocol

from framework.cli.documents import seconds_taken
from framework.cli.output import say, state_cell
from framework.cli.progress import bar, share_of, told
from framework.cli.tables import Cell, Column, render
from framework.cli.text import clip, duration, moment, one_line, pairs
from framework.cli.uids import shorten_runs

if TYPE_CHECKING:
    from framework.databases import Document

_COLUMNS = (
    Column("uid"),
    Column("name", flexible=True),
    Column("state"),
    Column("duration", right=True),
    Column("progress", flexible=True),
    Column("results", flexible=True),
)


class Screen(Protocol):
    """What shows runs."""

    def draw(self, runs: list[Document]) -> None:
        """Show them as they are now."""

    def close(self) -> None:
        """Leave what is shown as it is."""


def screen(*, quiet: bool) -> Screen:
    """What fits standard output.

    Args:
        quiet: Nothing is shown: standard output is for one document.
    """
    if quiet:
        return _Nothing()
    return _Table() if sys.stdout.isatty() else _Lines()


class _Nothing:
    def draw(self, runs: list[Document]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class _Lines:
    """A line for each run that begins or changes its state."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def draw(self, runs: list[Document]) -> None:
        for run in runs:
            metadata, text = run["metadata"], state_cell(run).text
            if self._states.get(metadata["uid"]) == text:
                continue
            self._states[metadata["uid"]] = text
            words = [moment(time.time()), metadata["uid"], one_line(metadata.get("name", "")), text, _outcome(run)]
            say("  ".join(word for word in words if word))
        sys.stdout.flush()

    def close(self) -> None:
        """Each line stands."""


class _Table:
    """A table that is drawn over itself."""

    def __init__(self) -> None:
        self._lines = 0  # of the table as it stands, above the cursor
        self._text = ""

    def draw(self, runs: list[Document]) -> None:
        size = shutil.get_terminal_size()
        text = _table(runs, size.columns, size.lines - 2) if runs else ""
        if text == self._text:
            return
        back = f"\x1b[{self._lines}A" if self._lines else ""
        # Drawn in one write, each line cleared behind its end: nothing flickers.
        body = "".join(f"{line}\x1b[K\n" for line in text.splitlines())
        sys.stdout.write(f"{back}\r{body}\x1b[J")
        sys.stdout.flush()
        self._text, self._lines = text, text.count("\n") + 1 if text else 0

    def close(self) -> None:
        """It stands as it was drawn last."""


def _table(runs: list[Document], columns: int, lines: int) -> str:
    """As many as fit; those that go on come first where not all do."""
    room = max(lines - 2, 1)
    shown = runs
    if len(runs) > room:
        shown = sorted(runs, key=lambda run: run["status"].get("ended") is not None)[:room]
    short = shorten_runs(runs)
    text = render(_COLUMNS, [_row(run, short[run["metadata"]["uid"]]) for run in shown], columns)
    return text if len(shown) == len(runs) else f"{text}\n… and {len(runs) - len(shown):,} more"


def _row(run: Document, uid: str) -> list[Cell | str]:
    status = run["status"]
    progress = status.get("progress") or {}
    share = share_of(progress) if status.get("state") == "running" else None
    text = told(progress) if status.get("state") == "running" else ""
    return [
        uid,
        run["metadata"].get("name", ""),
        state_cell(run),
        duration(seconds_taken(run)),
        text if share is None else f"{bar(share)} {text}",
        _outcome(run),
    ]


def _outcome(run: Document) -> str:
    """Its results, or why there are none."""
    from framework.documents.numbers import decode

    status = run["status"]
    if status.get("message"):
        return clip(one_line(status["message"]), 60)
    return pairs(decode(status.get("results", {})))
