"""``framework runs patch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from framework.cli.output import following, note
from framework.cli.session import collected
from framework.cli.text import size
from framework.errors import NotFound, UsageError

if TYPE_CHECKING:
    from framework.databases import Database, Document


@click.command("patch")
@click.argument("uid")
@click.option("-o", "--output", metavar="FILE", help="Where to.  [default: standard output]")
def patch(uid: str, output: str | None) -> None:
    """Print the uncommitted changes that a run was started with.

    On the commit that it was started from, `git apply` makes the tree that ran of them.
    """
    database = collected().database
    run = database.run(uid)
    content = patch_of(database, run)
    git = run["status"]["environment"]["git"]
    if output:
        try:
            Path(output).write_bytes(content)
        except OSError as error:
            raise UsageError(f"--output {output!r}: {error.strerror}", advice="Name another file.") from None
        note(f"{size(len(content))} in {output}.")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    for path in git.get("left_out", []):
        note(f"Not in the patch: {path}")
    if git.get("masked"):
        note(f"{git['masked']} secret values are masked in it.")
    following(f"git switch --detach {git['commit']}", f"git apply {output or 'FILE'}")


def patch_of(database: Database, run: Document) -> bytes:
    """The patch of a run.

    Raises:
        NotFound: There is none; the message says why.
    """
    uid = run["metadata"]["uid"]
    git = run.get("status", {}).get("environment", {}).get("git")
    if not git:
        raise NotFound(
            f"the run {uid} was not started from a git checkout, so there is no patch",
            advice=f"Its code is kept all the same: framework function show {run['spec'].get('function', '')}",
        )
    if git.get("patch"):
        return database.content(git["patch"])
    if git.get("failed"):
        raise NotFound(f"the patch of the run {uid} is not known: {git['failed']}", advice="Is git installed?")
    if git["dirty"]:
        raise NotFound(
            f"the changes that the run {uid} was started with are not kept: {', '.join(git.get('left_out', []))}",
            advice="They were too large, or no text.",
        )
    raise NotFound(
        f"the run {uid} was started from the commit {git['commit']} as it is: there is no patch",
        advice=f"git switch --detach {git['commit']}",
    )
