"""Which runs: the options that make a `framework.databases.RunQuery`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from framework.cli.options import Decorated, key_values, literal
from framework.cli.text import point_in_time
from framework.databases import Condition, RunQuery
from framework.errors import UsageError
from framework.models.causes import ENDED

_STATES = ("created", "pending", "running", *sorted(ENDED))
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--project", metavar="NAME", help="Runs of this project."),
    click.option("--name", metavar="GLOB", help="Runs of this name; *, ? and [] match."),
    click.option("--state", multiple=True, metavar="STATE", help="Runs in this state; several may be given."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="Runs with this label."),
    click.option("--param", multiple=True, metavar="KEY=VALUE", help="Runs with this parameter."),
    click.option(
        "--where", multiple=True, metavar="CONDITION", help='Such as "results.accuracy > 0.9 and params.depth = 3".'
    ),
    click.option(
        "--parent", metavar="UID", help="Runs below this run: the items of a map, or what its handler opened."
    ),
    click.option("--since", metavar="TIME", help="Created since then: 1h or 2d ago, or an ISO time."),
    click.option("--until", metavar="TIME", help="Created until then."),
    click.option(
        "--sort",
        metavar="FIELD[:asc]",
        default="created",
        show_default=True,
        help="Highest first by this field, such as results.accuracy; with :asc lowest first.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", default=50, show_default=True, help="At most so many."
    ),
    click.option("--all", "every", is_flag=True, help="All that fit, however many."),
)


def run_filters(command: Decorated) -> Decorated:
    """Add the options of a query; they arrive as keyword arguments for `query`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def query(  # noqa: PLR0913  one argument an option
    *,
    project: str | None,
    name: str | None,
    state: tuple[str, ...],
    label: tuple[str, ...],
    param: tuple[str, ...],
    where: tuple[str, ...],
    parent: str | None,
    since: str | None,
    until: str | None,
    sort: str,
    limit: int,
    every: bool,
) -> RunQuery:
    """The query that the options of `run_filters` say.

    Raises:
        UsageError: One of them cannot be read.
    """
    field, _, direction = sort.rpartition(":") if sort.endswith((":asc", ":desc")) else (sort, "", "desc")
    _check_sort(field)
    return RunQuery(
        project=project,
        name=name,
        states=_states(state),
        labels=key_values(label, "--label"),
        since=None if since is None else point_in_time(since),
        until=None if until is None else point_in_time(until),
        parent=parent or "",
        conditions=[*_conditions(where), *_parameters(param)],
        order_by=field,
        descending=direction == "desc",
        limit=None if every else limit,
    )


def _check_sort(field: str) -> None:
    from framework.conditions import FIELDS, SECTIONS

    section, dot, key = field.partition(".")
    if field not in FIELDS and not (dot and key and section in SECTIONS):
        known = ", ".join([*FIELDS, *(f"{name}.KEY" for name in SECTIONS)])
        raise UsageError(f"--sort: there is no field {field!r}", advice=f"There are {known}.")


def _states(words: tuple[str, ...]) -> tuple[str, ...]:
    states = tuple(state.strip() for word in words for state in word.split(","))
    for state in states:
        if state not in _STATES:
            raise UsageError(f"there is no state {state!r}", advice=f"The states are {', '.join(_STATES)}.")
    return states


def _conditions(texts: tuple[str, ...]) -> list[Condition]:
    if not texts:
        return []
    from framework.conditions import parse

    return [condition for text in texts for condition in parse(text)]


def _parameters(words: tuple[str, ...]) -> list[Condition]:
    return [
        Condition(field=f"params.{key}", operator="=", value=_scalar(text))
        for key, text in key_values(words, "--param").items()
    ]


def _scalar(text: str) -> str | float | int | bool | None:
    content = literal(text)
    return text if isinstance(content, (dict, list)) else content
