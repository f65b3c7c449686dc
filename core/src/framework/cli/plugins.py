"""``framework plugins``."""

from __future__ import annotations

import click

from framework.cli.options import json_option
from framework.cli.output import following, note, write_json, write_table
from framework.cli.session import opened
from framework.cli.tables import Cell, Column

_COLORS = {"loaded": "green", "failed": "red", "incompatible": "yellow", "blocked": None}


@click.command("plugins")
@json_option
def plugins(as_json: bool) -> None:
    """List the plugins, and why one does not work."""
    import attrs

    found = opened().plugins.report()
    if as_json:
        write_json([attrs.asdict(plugin) for plugin in found])
        return
    if not found:
        note("No plugin is installed.")
        following("pip install framework-runtime-local framework-db-sql framework-storage-file")
        return
    columns = [
        Column("name"),
        Column("version"),
        Column("state"),
        Column("registers", flexible=True),
        Column("reason", flexible=True),
    ]
    rows: list[list[Cell | str]] = [
        [
            plugin.name,
            plugin.version,
            Cell(plugin.state, _COLORS.get(plugin.state)),
            ", ".join(plugin.registers),
            plugin.reason,
        ]
        for plugin in found
    ]
    write_table(columns, rows)
    if any(plugin.state == "failed" for plugin in found):
        following("framework doctor")
