"""``framework db check``."""

from __future__ import annotations

import click

from framework.cli.db.places import source
from framework.cli.doctor import write_findings
from framework.cli.options import json_option
from framework.cli.session import collected
from framework.errors import UsageError


@click.command("check")
@click.argument("database", metavar="[DATABASE]", required=False)
@click.option("--content", is_flag=True, help="Read every content, and compare it with its digest.")
@json_option
def check(database: str | None, content: bool, as_json: bool) -> None:
    """Check that what is kept is whole, and say how to mend it.

    DATABASE is a URL, a file or a FRAMEWORK_HOME; the one that is set unless told. It looks at the database within, at
    each run against the events that it has had, and for the contents of artifacts and code. The exit status is 1 where
    something is wrong.
    """
    from framework.engine.transfer.checking import check as checked

    session = collected()
    if database is None:
        findings = list(checked(session, session.database, contents=content))
    else:
        place = source(database)
        if not place.url:
            raise UsageError(f"{database!r} is an export", advice="Merge it into a database, and check that.")
        opened = session.plugins.database(place.url)
        try:
            findings = list(checked(session, opened, contents=content))
        finally:
            opened.close()
    write_findings(findings, as_json=as_json, again="framework db check", well="framework db backup FILE")
