"""``framework function history``."""

from __future__ import annotations

import click

from framework.cli.documents import complete_function
from framework.cli.options import json_option, project_option
from framework.cli.output import following, write_json, write_table
from framework.cli.session import opened
from framework.cli.tables import Column
from framework.cli.text import moment
from framework.cli.versions import abbreviated, provenance, reference
from framework.databases import RunQuery
from framework.errors import NotFound


@click.command("history")
@click.argument("name")
@project_option
@json_option
def history(name: str, project: str | None, as_json: bool) -> None:
    """List the versions of a function, the latest first."""
    session = opened()
    uri = reference(session, name, project)
    versions = [complete_function(kept) for kept in session.database.function_history(uri.project, uri.name)]
    if not versions:
        raise NotFound(f"there is no function {uri.name!r} in project {uri.project!r}")
    if as_json:
        write_json(versions)
        return
    columns = [
        Column("version"),
        Column("created"),
        Column("tags"),
        Column("kind"),
        Column("runs", right=True),
        Column("provenance", flexible=True),
    ]
    rows = []
    for kept in versions:
        version = kept["status"]["version"]
        runs = session.database.count_runs(RunQuery(function=f"db://{uri.project}/{uri.name}@{version}", parent=None))
        rows.append(
            [
                abbreviated(version),
                moment(kept["status"]["created"]),
                ", ".join(kept["status"]["tags"]),
                kept["kind"],
                str(runs),
                provenance(kept["status"]["provenance"]),
            ]
        )
    write_table(columns, rows)
    if len(versions) > 1:
        older, newer = (abbreviated(kept["status"]["version"]) for kept in (versions[1], versions[0]))
        following(f"framework function diff {uri.name}@{older} {uri.name}@{newer}")
    else:
        following(f"framework function show {uri.name}")
