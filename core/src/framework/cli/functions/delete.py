"""``framework function delete``."""

from __future__ import annotations

import click

from framework.cli.options import confirm, project_option, yes_option
from framework.cli.output import following, note
from framework.cli.session import opened
from framework.cli.versions import abbreviated, reference
from framework.errors import NotFound


@click.command("delete")
@click.argument("name")
@project_option
@yes_option
def delete(name: str, project: str | None, yes: bool) -> None:
    """Delete a function, or one version of it. Its runs are kept.

    NAME is a name, for all its versions, or name:tag or name@sha256:… for one.
    """
    session = opened()
    uri = reference(session, name, project)
    version = None
    if uri.tag or uri.digest:
        kept = session.database.function(uri.project, uri.name, tag=uri.tag or "latest", version=uri.digest or None)
        version = str(kept["status"]["version"])
        what = f"version {abbreviated(version)} of {uri.name}"
    else:
        count = len(session.database.function_history(uri.project, uri.name))
        if not count:
            raise NotFound(f"there is no function {uri.name!r} in project {uri.project!r}")
        what = f"{uri.name} with {count} version{'s' if count != 1 else ''}"
    confirm(f"Delete {what}?", yes)
    session.database.delete_function(uri.project, uri.name, version=version)
    note(f"Deleted {what}.")
    following("framework function list")
