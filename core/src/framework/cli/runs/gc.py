"""``framework runs gc``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import click

from framework.cli.options import confirm, json_option, yes_option
from framework.cli.output import note, write_json, write_table
from framework.cli.session import collected
from framework.cli.tables import Column
from framework.cli.text import duration
from framework.errors import NotFound

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.runtimes import Leftover

_COLUMNS = (Column("what", flexible=True), Column("run"), Column("age", right=True), Column("why", flexible=True))


@click.command("gc")
@click.option("--kind", required=True, metavar="KIND", help="The kind of runtime whose backend is looked at.")
@yes_option
@click.option("--dry-run", is_flag=True, help="Only say what is left.")
@json_option
def gc(kind: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove what ended runs have left at a backend.

    It is looked for wherever runs of this database have been; what cannot be looked at is said. What belongs to runs
    that this database does not know is left alone: it may be somebody else's.
    """
    session = collected()
    runtime = session.runtime(kind)
    found = runtime.leftovers(lambda uid: _state(session, uid), session.database.handles(kind))
    if as_json:
        write_json([attrs.asdict(each) for each in found])
    elif found:
        write_table(_COLUMNS, [_row(each) for each in found])
    if not found:
        note("Nothing is left.")
    elif dry_run:
        note("Nothing was removed.")
    else:
        confirm(f"Remove {len(found)} thing{'s' if len(found) != 1 else ''}?", yes)
        for each in found:
            runtime.discard(each)
        note(f"Removed {len(found)}.")


def _state(session: Session, uid: str) -> str | None:
    try:
        return str(session.database.run(uid)["status"].get("state"))
    except NotFound:
        return None


def _row(leftover: Leftover) -> list[str]:
    return [leftover.name, leftover.run, duration(leftover.age), leftover.reason]
