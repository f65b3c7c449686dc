"""``framework replay``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from framework.cli.explain.changes import columns, rows
from framework.cli.options import key_values
from framework.cli.output import note, say, write_table
from framework.cli.session import collected
from framework.cli.uids import short
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.replaying import Replay
    from framework.engine.session import Session


@click.command("replay")
@click.argument("uid")
@click.option("--kind", default="", metavar="KIND", help="On another kind of runtime.  [default: the run's]")
@click.option("-i", "--input", "inputs", multiple=True, metavar="NAME=PATH", help="In place of a recorded input.")
@click.option("--here", is_flag=True, help="With the packages of this environment, whatever the run had.")
@click.option("--pdb", is_flag=True, help="In this process, under the debugger when it fails.")
@click.option("--watch/--detach", default=True, help="Wait for the end, or print the uid and return.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent and created; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write the ended run to standard output, and nothing else.")
@click.pass_context
def replay(ctx: click.Context, /, uid: str, **given: Any) -> None:
    """Run a recorded run again: its code, packages, parameters and inputs.

    The code is the version that ran. Where the recorded packages are others than those here, they are installed into an
    environment that is kept for the next time. What cannot be restored, and what has changed, is named. At the end what
    came out is compared with what the run gave.
    """
    from framework.cli.run.command import detach, show_plan, watch_run
    from framework.engine.plan import plan
    from framework.engine.replaying import prepare

    if given["pdb"] and not given["watch"]:
        raise UsageError("--pdb needs somebody who watches", advice="Leave out --detach.")
    session = collected()
    recorded = session.database.run(uid)
    again = prepare(
        session,
        recorded,
        kind=given["kind"] or ("local" if given["pdb"] else ""),
        inputs=key_values(given["inputs"], "--input"),
        here=given["here"] or given["pdb"],
    )
    for text in again.notes:
        note(f"Not as it was: {text}.")
    if given["pdb"]:
        _debug(session, recorded, again)
    planned = plan(session, again.request)
    if given["dry_run"]:
        show_plan(session, planned, as_json=given["as_json"])
    elif given["watch"]:
        document, status = watch_run(session, planned, as_json=given["as_json"])
        _compare(session, recorded, document, as_json=given["as_json"])
        ctx.exit(status)
    else:
        detach(session, planned, as_json=given["as_json"])


def _debug(session: Session, recorded: Document, again: Replay) -> None:
    """Have it run in this process, from the code that is kept."""
    from framework.cli.functions.reference import find
    from framework.cli.run.debugging import imported

    code = find(session, recorded["spec"]["function"])["spec"].get("code", {})
    if not code.get("handler") or again.root is None:
        raise UsageError(
            f"the run {recorded['metadata']['uid']} is no function in a file, which --pdb could debug",
            advice="Leave out --pdb.",
        )
    again.request.function = imported(Path(again.root), code["module"], code["handler"])
    again.request.inline = again.request.pdb = True
    if again.request.folder:
        os.chdir(again.request.folder)


def _compare(session: Session, before: Document, after: Document, *, as_json: bool) -> None:
    """Say whether the same came out."""
    from framework.engine.compare.runs import outcome_changes

    changes = [change for change in outcome_changes(before, after) if change.field not in {"duration", "peak memory"}]
    labels = [short(session.database, run["metadata"]["uid"]) for run in (before, after)]
    if not changes:
        note(f"The same came out as of the run {labels[0]}.")
    elif as_json:
        note(f"Something else came out than of the run {labels[0]}: framework diff {labels[0]} {labels[1]}")
    else:
        note(f"Something else came out than of the run {labels[0]}:")
        say()
        write_table(columns(*labels), rows(changes))
