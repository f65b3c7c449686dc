"""The reference of the command line, made from the help texts: ``python -m framework.cli.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import click

from framework.cli.index import GROUPS, ROOT
from framework.cli.lazy import LazyGroup
from framework.cli.main import HELP, root

_WIDTH: Final = 100  # characters a line
_HEAD: Final = """\
# Command line

Made from the help texts by `python -m framework.cli.reference > docs/reference/cli.md`; a test compares.

Exit status: 0 success, 1 a failed run or a backend that failed, 2 a wrong command line, 130 interrupted.
With `--json`, standard output is one JSON document and nothing else.
A uid may be shortened to any beginning that names one run; of a run and those that it has opened, it is the former."""


def reference() -> Iterator[str]:
    """The lines of the page."""
    yield _HEAD
    context = click.Context(root, info_name="framework", terminal_width=_WIDTH, help_option_names=HELP)
    yield from _block("framework", context)
    for name, entry in ROOT.items():
        for words in [(name,)] if entry.target else [(name, command) for command in GROUPS[name]]:
            yield from _command(context, words)


def _command(context: click.Context, words: tuple[str, ...]) -> Iterator[str]:
    for word in words:
        group = context.command
        assert isinstance(group, LazyGroup)  # noqa: S101  the table has groups at these places only
        command = group.get_command(context, word)
        assert command is not None  # noqa: S101  the word is the table's own
        context = click.Context(command, info_name=word, parent=context)
    yield from _block(" ".join(("framework", *words)), context)


def _block(title: str, context: click.Context) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield "```text"
    yield context.command.get_help(context).rstrip()
    yield "```"


if __name__ == "__main__":
    sys.stdout.write("\n".join(reference()) + "\n")
