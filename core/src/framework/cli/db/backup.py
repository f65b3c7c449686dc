"""``framework db backup``."""

from __future__ import annotations

from pathlib import Path

import click

from framework.cli.output import following, note
from framework.cli.session import collected
from framework.cli.text import size
from framework.errors import UsageError


@click.command("backup")
@click.argument("file")
def backup(file: str) -> None:
    """Copy a SQLite database to a file while others write to it.

    The copy is as of one moment. The contents of artifacts are not in it: they lie in the storage. PostgreSQL is copied
    by pg_dump, and any database by `framework db export`.
    """
    path = Path(file).expanduser()
    if path.exists():
        raise UsageError(f"{file!r} is there already", advice="Name another file.")
    collected().database.backup(path)
    note(f"Wrote {file}, {size(path.stat().st_size)}.")
    following(f"framework db check {file}")
