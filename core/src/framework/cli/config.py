"""``framework config``."""

from __future__ import annotations

import click

from framework.cli.options import json_option
from framework.cli.output import following, note, say, write_json, write_table
from framework.cli.tables import Column


@click.command("show")
@json_option
def show(as_json: bool) -> None:
    """Show every setting and where its value comes from."""
    from framework.settings import explain

    settings = explain()
    if as_json:
        write_json([{"setting": name, "value": content, "origin": origin} for name, content, origin in settings])
        return
    columns = [Column("setting"), Column("value", flexible=True), Column("origin", flexible=True)]
    write_table(columns, [[name, content, origin] for name, content, origin in settings])
    following("framework config set KEY VALUE")


@click.command("get")
@click.argument("key")
@json_option
def get(key: str, as_json: bool) -> None:
    """Print the value of one setting."""
    from framework.settings import load, name_of

    content = getattr(load(), name_of(key))
    if as_json:
        write_json(content)
    else:
        say(str(content))


@click.command("set")
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Write one setting to the configuration file."""
    from framework.settings import write

    path = write(key, value)
    note(f"{key} = {value} is in {path}.")
    following("framework config show")
