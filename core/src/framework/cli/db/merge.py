"""``framework db merge``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from framework.cli.db.places import Place, source, storage_of, target
from framework.cli.options import json_option
from framework.cli.output import following, note, say, write_json
from framework.cli.session import collected
from framework.cli.text import one_line, size
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.engine.transfer.merging import Merger
    from framework.engine.transfer.report import Report

_SHOWN = 10  # of a list that may be long


@click.command("merge")
@click.argument("from_", metavar="FROM")
@click.argument("to", metavar="[TO]", required=False)
@click.option("--project", metavar="NAME", help="Only what is in this project.")
@click.option(
    "--storage", metavar="URL", help="Where contents are copied to.  [default: the storage that goes with TO]"
)
@click.option("--no-content", is_flag=True, help="Leave the contents of artifacts and code where they are.")
@click.option("--dry-run", is_flag=True, help="Say what would be brought, and change nothing.")
@json_option
def merge(  # noqa: PLR0913, PLR0917  one argument an option
    from_: str,
    to: str | None,
    project: str | None,
    storage: str | None,
    no_content: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring what another database or an export has into a database.

    FROM and TO are URLs, files, or FRAMEWORK_HOME folders; FROM may be what `framework db export` wrote. TO is the
    database that is set unless told. FROM is not changed.

    The same merge again changes nothing, and one that was interrupted is begun again. Of a run that both have, what
    either side knows is kept. A tag or project that means different things stays what it is in TO; the other is kept
    beside it as NAME-merged-DIGITS.
    """
    from framework.engine.transfer.merging import Merger

    session = collected()
    here, there = source(from_), target(to or session.settings.db)
    if here.identity == there.identity:
        raise UsageError(f"{from_!r} and the target are one database", advice="Name another one: db merge FROM TO")
    if dry_run and there.file is not None and not there.file.exists():
        raise UsageError(f"{there.word!r} is not there", advice="Without --dry-run it is made.")
    own = there.identity == target(session.settings.db).identity
    database = session.database if own else session.plugins.database(there.url)
    contents = None if no_content else storage_of(session, there, storage)
    merger = Merger(database, contents, dry_run=dry_run, progress=_progress)
    try:
        _bring(session, here, merger, project)
    finally:
        if not own:
            database.close()
    if as_json:
        write_json({**merger.report.document(), "dry_run": dry_run})
        return
    _say(merger.report, dry_run=dry_run)
    _uncollected(here)
    following("framework runs list" if own else f"framework db check {there.word}")


def _bring(session: Session, here: Place, merger: Merger, project: str | None) -> None:
    from framework.engine.transfer.merging import merge_database
    from framework.engine.transfer.portable import read_export

    if not here.url:
        assert here.file is not None  # noqa: S101  an export is a file
        with here.file.open("rb") as stream:
            read_export(stream, merger, here.word, project)
        return
    database = session.plugins.database(here.url)
    try:
        merge_database(database, merger, lambda uri: session.storage_of(uri).open(uri), project)
    finally:
        database.close()


def _progress(report: Report) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{report.runs:,} runs looked at, {report.runs_new:,} new", nl=False, err=True)


def _say(report: Report, *, dry_run: bool) -> None:
    if sys.stderr.isatty() and report.runs:
        click.echo("\r\033[K", nl=False, err=True)
    counts = (
        _count(report.runs_new, "new run"),
        _count(report.runs_completed, "run", " of which more is known"),
        _count(report.functions_new, "new version", " of functions"),
        _count(report.tags_new, "new tag"),
        _count(report.projects_new, "new project"),
    )
    said = ", ".join(filter(None, counts))
    say(f"{'Would bring' if dry_run else 'Brought'} {said}." if said else "Nothing is new.")
    if report.contents_new:
        copied = _count(report.contents_new, "content", f" ({size(report.bytes_copied)})")
        say(f"{'Would copy' if dry_run else 'Copied'} {copied}.")
    for moved in report.tags_moved:
        say(f"{one_line(moved)} goes on.")
    for conflict in report.conflicts[:_SHOWN]:
        kept = f"{conflict.stays[:15]} stays, {conflict.other[:15]} is kept as {conflict.kept_as}"
        say(f"Conflict: the {conflict.what} {one_line(conflict.name)}: {one_line(kept)}.")
    for uri in report.unreachable[:_SHOWN]:
        note(f"Not reachable from here, and left where it is: {one_line(uri)}")
    for what in (report.conflicts, report.unreachable):
        if len(what) > _SHOWN:
            note(f"… and {len(what) - _SHOWN:,} more; --json has all of them.")


def _count(number: int, noun: str, rest: str = "") -> str:
    """``2 new runs``; empty for none."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}{rest}" if number else ""


def _uncollected(here: Place) -> None:
    """Say what a home has that is not in its database yet."""
    runs = here.home / "runs" if here.home and here.url else None
    waiting = [path for path in runs.iterdir() if not path.name.startswith(".")] if runs and runs.is_dir() else []
    if waiting and here.home:
        note(f"{len(waiting)} runs of {here.home} are not collected; merge again after:")
        note(f"  FRAMEWORK_HOME={here.home} framework runs sync")
