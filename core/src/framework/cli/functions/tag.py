"""``framework function tag``."""

from __future__ import annotations

import click

from framework.cli.options import project_option
from framework.cli.output import following, note
from framework.cli.session import opened
from framework.cli.versions import abbreviated, find
from framework.errors import UsageError


@click.command("tag")
@click.argument("name")
@click.argument("tag")
@project_option
def tag(name: str, tag: str, project: str | None) -> None:
    """Give a version a name; a tag that is there already moves.

    NAME names the version: name (the latest), name:tag or name@sha256:….
    """
    if tag == "latest":
        raise UsageError("the tag 'latest' moves by itself", advice="Choose another tag.")
    session = opened()
    kept = find(session, name, project)
    metadata, version = kept["metadata"], kept["status"]["version"]
    owner = metadata.get("project", "default")
    from framework.uris import FunctionUri

    FunctionUri.parse(f"db://{owner}/{metadata['name']}:{tag}")  # a tag must be one that a URI can name
    session.database.tag_function(owner, metadata["name"], version, tag)
    note(f"{metadata['name']}:{tag} is {abbreviated(version)}.")
    following(f"framework function show {metadata['name']}:{tag}")
