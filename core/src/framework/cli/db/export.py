"""``framework db export``."""

from __future__ import annotations

from pathlib import Path

import click

from framework.cli.output import following, note
from framework.cli.session import collected
from framework.cli.text import one_line, size


@click.command("export")
@click.argument("file")
@click.option("--project", metavar="NAME", help="Only what is in this project.")
@click.option("--no-content", is_flag=True, help="Leave out the contents of artifacts and code.")
def export(file: str, project: str | None, no_content: bool) -> None:
    """Write everything to one portable file, which `db merge` reads.

    FILE has projects, functions with all their versions, runs with their output and metrics, and the contents of
    artifacts: JSON lines, compressed by gzip.
    """
    from framework.engine.transfer.portable import write_export

    session = collected()
    path = Path(file).expanduser()
    reader = None if no_content else lambda uri: session.storage_of(uri).open(uri)
    written = write_export(path, session.database, reader, project)
    for uri in written.unreachable:
        note(f"Not reachable from here, and left out: {one_line(uri)}")
    note(f"Wrote {written.runs:,} runs, {size(path.stat().st_size)}.")
    following(f"framework db merge {file} TO")
