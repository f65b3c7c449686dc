"""``framework runs show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from framework.cli.documents import complete_run
from framework.cli.options import json_option
from framework.cli.output import following, say, write_json
from framework.cli.runs.page import page
from framework.cli.session import collected
from framework.cli.uids import latest, short
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document


@click.command("show")
@click.argument("uid", required=False)
@json_option
def show(uid: str | None, as_json: bool) -> None:
    """Show everything that is known of a run.

    UID may be shortened as long as it names one run; without it, it is the latest.
    """
    database = collected().database
    run = _brought(database.run(uid) if uid else latest(database, 1)[0])
    if as_json:
        write_json(run)
        return
    say("\n".join(page(database, run)))
    following(*_next(run, short(database, run["metadata"]["uid"])))


def _brought(run: Document) -> Document:
    """The run as its backend knows it now, for as long as that takes to answer."""
    from framework.cli.session import opened, say_silent
    from framework.engine.collect import collect_one

    session, uid = opened(), run["metadata"]["uid"]
    if run["status"].get("state") not in ENDED:
        collect_one(session, session.database.active_run(uid), on_silent=say_silent)
        run = session.database.run(uid)
    return complete_run(run)


def _next(run: Document, uid: str) -> list[str]:
    status = run["status"]
    if status["state"] in {"created", "pending", "running"}:
        return [f"framework logs -f {uid}", f"framework abort {uid}"]
    commands = [f"framework logs {uid}"]
    if run["status"]["artifacts"]:
        commands.append(f"framework artifacts list --run {uid}")
    return commands
