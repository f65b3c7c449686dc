"""``framework replay``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from framework.cli.explain.changes import columns, rows
from framework.cli.options import key_values
from framework.cli.output import note, say, write_table
from framework.cli.session import collected
from framework.cli.uids import short
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.compare.changes import Change
    from framework.engine.map_plan import PlannedMap
    from framework.engine.plan import Planned
    from framework.engine.replaying import Replay
    from framework.engine.session import Session

_SHOWN: Final = 5  # items of a map of which something else came out
_NEVER_THE_SAME: Final = frozenset({"duration", "peak memory"})


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
    came out is compared with what the run gave. Of a map every item is run again.
    """
    from framework.engine.replaying import plan_again, prepare

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
    planned = plan_again(session, again)
    show, watch, detach = _ways(planned)
    if given["dry_run"]:
        show(session, planned, as_json=given["as_json"])
    elif given["watch"]:
        document, status = watch(session, planned, as_json=given["as_json"])
        _compare(session, recorded, document, as_json=given["as_json"])
        ctx.exit(status)
    else:
        detach(session, planned, as_json=given["as_json"])


def _ways(planned: Planned | PlannedMap) -> tuple[Callable[..., Any], ...]:
    """What shows, watches and starts a plan."""
    from framework.engine.map_plan import PlannedMap

    if isinstance(planned, PlannedMap):
        from framework.cli.run.mapping import detach_map, show_map, watch_map

        return show_map, watch_map, detach_map
    from framework.cli.run.command import detach, show_plan, watch_run

    return show_plan, watch_run, detach


def _debug(session: Session, recorded: Document, again: Replay) -> None:
    """Have it run in this process, from the code that is kept."""
    if again.items is not None:
        uid = recorded["metadata"]["uid"]
        raise UsageError(
            f"the run {uid} is a map, which runs apart from this process",
            advice=f"Debug one of its items: framework runs list --parent {uid}",
        )
    from framework.cli.run.debugging import imported
    from framework.cli.versions import find

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
    changes = _other_outcome(before, after)
    labels = [short(session.database, run["metadata"]["uid"]) for run in (before, after)]
    if before["spec"].get("map"):
        _compare_items(session, before, after)
    elif not changes:
        note(f"The same came out as of the run {labels[0]}.")
    elif as_json:
        note(f"Something else came out than of the run {labels[0]}: framework diff {labels[0]} {labels[1]}")
    else:
        note(f"Something else came out than of the run {labels[0]}:")
        say()
        write_table(columns(*labels), rows(changes))


def _compare_items(session: Session, before: Document, after: Document) -> None:
    """Say whether the same came out of each item of a map."""
    from framework.engine.replaying import children

    known = {run["metadata"]["uid"]: run for run in children(session, before)}
    items = [(known.get(run["spec"].get("replays", "")), run) for run in children(session, after)]
    pairs = [(old, new) for old, new in items if old is not None]
    others = [(old, new) for old, new in pairs if _other_outcome(old, new)]
    uid = short(session.database, before["metadata"]["uid"])
    if not others:
        note(f"The same came out of {len(pairs):,} items as in the map {uid}.")
        return
    note(f"Something else came out of {len(others):,} of {len(pairs):,} items than in the map {uid}:")
    for old, new in others[:_SHOWN]:
        labels = [short(session.database, run["metadata"]["uid"]) for run in (old, new)]
        note(f"  item {new['spec']['iteration']:,}: framework diff {labels[0]} {labels[1]}")
    if len(others) > _SHOWN:
        note(f"  … and {len(others) - _SHOWN:,} more")


def _other_outcome(before: Document, after: Document) -> list[Change]:
    """What came out otherwise, but for what is never twice the same."""
    from framework.engine.compare.runs import outcome_changes

    return [change for change in outcome_changes(before, after) if change.field not in _NEVER_THE_SAME]
