"""``framework abort``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from framework.cli.documents import complete_run
from framework.cli.options import json_option
from framework.cli.output import following, note, state_cell, write_json
from framework.cli.session import collected
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_GRACE: Final = 10.0  # seconds, as in a submission that says nothing
_PAUSE: Final = 0.1
_PATIENCE: Final = 5.0  # seconds beyond the grace, for the end to be written


@click.command("abort")
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@click.option("--now", is_flag=True, help="End them at once, without asking.")
@json_option
def abort(uids: tuple[str, ...], now: bool, as_json: bool) -> None:
    """Ask runs to end, and end them if they do not.

    A run has ten seconds to end by itself.
    """
    session = collected()
    grace = 0.0 if now else _GRACE
    asked = [_ask(session, session.database.run(uid), grace) for uid in uids]
    ended = [_wait(session, uid, grace) for uid in asked]
    if as_json:
        write_json([complete_run(run) for run in ended])
    else:
        for run in ended:
            note(f"{run['metadata']['name']} {run['metadata']['uid']}: {state_cell(run).text}")
        following(f"framework runs show {asked[0]}")
    if any(run["status"].get("state") not in ENDED for run in ended):
        raise click.exceptions.Exit(1)


def _ask(session: Session, run: Document, grace: float) -> str:
    uid = str(run["metadata"]["uid"])
    if run["status"].get("state") not in ENDED:
        session.cancel(uid, grace)
    return uid


def _wait(session: Session, uid: str, grace: float) -> Document:
    from framework.engine.collect import collect

    deadline = time.monotonic() + grace + _PATIENCE
    while True:
        collect(session)
        run = session.database.run(uid)
        if run["status"].get("state") in ENDED or time.monotonic() > deadline:
            return run
        time.sleep(_PAUSE)
