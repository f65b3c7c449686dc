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
    run = complete_run(database.run(uid) if uid else latest(database, 1)[0])
    if as_json:
        write_json(run)
        return
    say("\n".join(page(database, run)))
    following(*_next(run, short(database, run["metadata"]["uid"])))


def _next(run: Document, uid: str) -> list[str]:
    status = run["status"]
    if status["state"] in {"created", "pending", "running"}:
        return [f"framework logs -f {uid}", f"framework abort {uid}"]
    commands = [f"framework logs {uid}"]
    if run["status"]["artifacts"]:
        commands.append(f"framework artifacts list --run {uid}")
    return commands
