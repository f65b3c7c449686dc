"""Options that several commands have, and how ``key=value`` is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from framework.errors import UsageError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def json_option(command: Decorated) -> Decorated:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON document to standard output.")(command)


def project_option(command: Decorated) -> Decorated:
    """``--project``."""
    return click.option("--project", metavar="NAME", help="The project.  [default: the setting `project`]")(command)


def yes_option(command: Decorated) -> Decorated:
    """``--yes``."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def key_values(words: Iterable[str], option: str) -> dict[str, str]:
    """``key=value`` words as a mapping; a later one wins.

    Args:
        words: What was given.
        option: The option's name, for the message.

    Raises:
        UsageError: A word has no ``=`` or no key.
    """
    pairs = {}
    for word in words:
        key, equals, content = word.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} {word!r} is not key=value", advice=f"Write {option} key=value.")
        pairs[key.strip()] = content
    return pairs


def literal(text: str) -> Any:
    """The value that a text stands for: a JSON scalar, array or object, else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are texts here: JSON has no such numbers


def confirm(question: str, yes: bool) -> None:
    """Ask before something is lost.

    Args:
        question: What is about to happen.
        yes: ``--yes`` was given.

    Raises:
        UsageError: Nobody answers, and ``--yes`` was not given.
        click.exceptions.Exit: The answer is no.
    """
    if yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C, Ctrl-D
        raise UsageError("nobody is there to answer", advice="Add --yes.") from None
    if not agreed:
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(1)
