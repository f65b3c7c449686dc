"""``framework runs delete``."""

from __future__ import annotations

import click

from framework.cli.options import confirm, yes_option
from framework.cli.output import following, note
from framework.cli.session import collected
from framework.errors import UsageError
from framework.models.causes import ENDED


@click.command("delete")
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@yes_option
def delete(uids: tuple[str, ...], yes: bool) -> None:
    """Delete runs with their logs and metrics.

    Their child runs go with them; the content of their artifacts is kept.
    """
    database = collected().database
    runs = {run["metadata"]["uid"]: run for run in map(database.run, uids)}
    for uid, run in runs.items():
        if run["status"].get("state") not in ENDED:
            raise UsageError(f"run {uid} has not ended", advice=f"End it first: framework abort {uid}")
    names = ", ".join(f"{run['metadata']['name']} {uid}" for uid, run in list(runs.items())[:5])
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""  # noqa: PLR2004  as many as were named
    confirm(f"Delete {names}{more}?", yes)
    gone = database.delete_runs(runs)
    note(f"Deleted {gone} run{'s' if gone != 1 else ''}.")
    following("framework runs list")
