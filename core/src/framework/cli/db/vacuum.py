"""``framework db vacuum``."""

from __future__ import annotations

import click

from framework.cli.output import following, note
from framework.cli.session import opened
from framework.cli.text import size


@click.command("vacuum")
def vacuum() -> None:
    """Give back the room of what was deleted.

    Others wait meanwhile. Of SQLite it needs as much free room as the database takes.
    """
    database = opened().database
    before = database.size()
    database.vacuum()
    after = database.size()
    if before is not None and after is not None:
        note(f"{size(before)} before, {size(after)} now.")
    following("framework db check")
