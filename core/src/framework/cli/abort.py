"""``framework abort``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from framework.cli.documents import complete_run
from framework.cli.options import confirm, json_option, key_values, yes_option
from framework.cli.output import following, note, state_cell, write_json
from framework.cli.session import collected
from framework.cli.text import one_line, seconds
from framework.databases import RunQuery
from framework.errors import BackendError, UsageError
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_OPEN: Final = ("created", "pending", "running")
_PAUSE: Final = 0.1
_PATIENCE: Final = 5.0  # seconds beyond the grace, for the end to be written


@click.command("abort")
@click.argument("uids", nargs=-1, metavar="[UID]...")
@click.option("--name", metavar="GLOB", help="The runs of this name that have not ended; *, ? and [] match.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="The runs with this label that have not ended.")
@click.option("--project", metavar="NAME", help="The runs of this project that have not ended.")
@click.option("--grace", metavar="SPAN", help="How long they may take to end by themselves.  [default: the run's own]")
@click.option("--now", is_flag=True, help="End them at once, without asking.")
@yes_option
@json_option
def abort(  # noqa: PLR0913  one argument an option
    *,
    uids: tuple[str, ...],
    name: str | None,
    label: tuple[str, ...],
    project: str | None,
    grace: str | None,
    now: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask runs to end, and end them if they do not.

    A run has ten seconds to end by itself, or what it was started with (--grace). One that waits for its next
    attempt ends there; none follows. What cannot be reached from here is said.
    """
    span = 0.0 if now else None if grace is None else seconds(grace)
    session = collected()
    if uids:
        chosen = list({run["metadata"]["uid"]: run for run in map(session.database.run, uids)}.values())
    else:
        chosen = _fitting(session, name, key_values(label, "--label"), project)
        if chosen:
            confirm(f"Ask {len(chosen)} run{'s' if len(chosen) != 1 else ''} to end?", yes)
    asked = {run["metadata"]["uid"]: _ask(session, run, span) for run in chosen}
    ended = [_wait(session, uid, patience) for uid, patience in asked.items()]
    if as_json:
        write_json([complete_run(run) for run in ended])
    else:
        for run in ended:
            note(f"{one_line(run['metadata']['name'])} {run['metadata']['uid']}: {state_cell(run).text}")
        if not ended:
            note("There is no such run that goes on.")
        following(f"framework runs show {ended[0]['metadata']['uid']}" if ended else "framework runs list")
    if any(run["status"].get("state") not in ENDED for run in ended):
        raise click.exceptions.Exit(1)


def _fitting(session: Session, name: str | None, labels: dict[str, str], project: str | None) -> list[Document]:
    if name is None and not labels and project is None:
        raise UsageError("which runs?", advice="Name them: framework abort UID..., or --name, --label, --project.")
    return session.database.runs(RunQuery(name=name, labels=labels, project=project, states=_OPEN, limit=None))


def _ask(session: Session, run: Document, grace: float | None) -> float:
    """Ask one run; returns how many seconds it has. One that cannot be reached is said, and the others are asked."""
    from framework.engine import aborting

    if run["status"].get("state") in ENDED:
        return 0.0
    try:
        return aborting.abort(session, run["metadata"]["uid"], grace)
    except (UsageError, BackendError) as error:
        note(f"{one_line(run['metadata']['name'])}: {error.message}. {error.advice}".rstrip())
        return -_PATIENCE


def _wait(session: Session, uid: str, grace: float) -> Document:
    from framework.engine.collect import collect

    deadline = time.monotonic() + grace + _PATIENCE
    while True:
        collect(session)
        run = session.database.run(uid)
        if run["status"].get("state") in ENDED or time.monotonic() > deadline:
            return run
        time.sleep(_PAUSE)
