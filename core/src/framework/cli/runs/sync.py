"""``framework runs sync``."""

from __future__ import annotations

import click

from framework.cli.documents import complete_run
from framework.cli.options import json_option
from framework.cli.output import following, note, write_json
from framework.cli.runs.list import write_runs
from framework.cli.session import opened, say_silent


@click.command("sync")
@json_option
def sync(as_json: bool) -> None:
    """Collect what unfinished runs have reported, and end those that have vanished."""
    from framework.engine.collect import collect

    session = opened()
    uids = collect(session, patience=None, on_silent=say_silent)
    ended = [complete_run(session.database.run(uid)) for uid in uids]
    if as_json:
        write_json(ended)
        return
    if ended:
        write_runs(ended)
    note(f"{len(ended)} run{'s' if len(ended) != 1 else ''} brought to an end.")
    following("framework runs list")
