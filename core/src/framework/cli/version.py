"""``framework version``."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

import click

from framework.cli.options import json_option
from framework.cli.output import say, write_json


@click.command("version")
@json_option
def version(as_json: bool) -> None:
    """Show the versions of framework, Python and the plugins."""
    from framework.cli.session import opened

    facts = {
        "framework": version_of("framework-core"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    plugins = {plugin.distribution: plugin.version for plugin in opened().plugins.report()}
    if as_json:
        write_json({**facts, "plugins": plugins})
        return
    say(f"framework {facts['framework']}")
    say(f"Python {facts['python']} on {facts['platform']}")
    for name, number in sorted(plugins.items()):
        say(f"{name} {number}")
