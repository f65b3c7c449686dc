"""``framework function list``."""

from __future__ import annotations

import click

from framework.cli.documents import complete_function
from framework.cli.options import json_option
from framework.cli.output import following, note, write_json, write_table
from framework.cli.session import opened
from framework.cli.tables import Column
from framework.cli.text import moment
from framework.cli.versions import abbreviated


@click.command("list")
@click.option("--project", metavar="NAME", help="Functions of this project.  [default: every project]")
@json_option
def list_functions(project: str | None, as_json: bool) -> None:
    """List functions."""
    functions = [complete_function(function) for function in opened().database.functions(project)]
    if as_json:
        write_json(functions)
        return
    if not functions:
        note("There are no functions yet; a run keeps the function that it ran.")
        following("framework run FILE.py:FUNCTION")
        return
    columns = [
        Column("name"),
        Column("project"),
        Column("kind"),
        Column("version"),
        Column("created"),
        Column("description", flexible=True),
    ]
    rows = [
        [
            function["metadata"]["name"],
            function["metadata"]["project"],
            function["kind"],
            abbreviated(function["status"]["version"]),
            moment(function["status"]["created"]),
            function["metadata"]["description"],
        ]
        for function in functions
    ]
    write_table(columns, rows)
    name = functions[0]["metadata"]["name"]
    following(f"framework function history {name}")
