"""``framework function advise``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from framework.cli.options import json_option, project_option
from framework.cli.output import following, note, say, write_json, write_table
from framework.cli.session import collected
from framework.cli.tables import Column
from framework.cli.text import size
from framework.cli.versions import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.engine.advising import Advice, Used

_FEW: Final = 5  # runs, below which chance says as much


@click.command("advise")
@click.argument("name")
@click.option(
    "--last", type=click.IntRange(min=1), metavar="N", default=200, show_default=True, help="From so many runs at most."
)
@project_option
@json_option
def advise(name: str, last: int, project: str | None, as_json: bool) -> None:
    """Propose requests and limits from what runs have used.

    NAME@sha256:… looks at one version alone. A request is what nine in ten runs stayed within; a limit of memory is
    above the most that was used, and above every limit that was too low.
    """
    from framework.engine.advising import HEADROOM, advise

    session = collected()
    uri = reference(session, name, project)
    version = f"@{uri.digest}" if uri.digest else ""
    found = advise(session, f"db://{uri.project}/{uri.name}{version}", last=last)
    if as_json:
        write_json(_document(found, HEADROOM))
        return
    columns = [Column("resource"), *(Column(title, right=True) for title in _TITLES)]
    write_table(columns, [_row("memory", found.memory, size), _row("cpu", found.cpu, _cores)])
    count = found.memory.runs
    note(f"From {count} completed run{'s' if count != 1 else ''}; a limit has {HEADROOM:.0%} headroom.")
    if count < _FEW:
        note("So few runs say little: look again when there are more.")
    if found.memory.killed_at:
        note(f"Runs were out of memory at the limit {', '.join(map(size, found.memory.killed_at))}.")
    say(" ".join(found.flags))
    following(f"framework run db://{uri.project}/{uri.name} {' '.join(found.flags)}")


_TITLES: Final = ("runs", "median", "9 in 10", "most", "request", "limit")


def _row(title: str, used: Used, shown: Callable[[float], str]) -> list[str]:
    amounts = [shown(amount) if used.runs else "-" for amount in (used.median, used.typical, used.most)]
    return [title, str(used.runs), *amounts, used.request or "-", used.limit or "-"]


def _cores(amount: float) -> str:
    return f"{amount:.2f}"


def _document(found: Advice, headroom: float) -> dict[str, Any]:
    return {**attrs.asdict(found), "headroom": headroom, "flags": found.flags}
