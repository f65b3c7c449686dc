"""``framework function diff``."""

from __future__ import annotations

import click

from framework.cli.explain.diff import report
from framework.cli.explain.subjects import of_version
from framework.cli.options import json_option, project_option
from framework.cli.session import opened
from framework.cli.versions import find


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--code", is_flag=True, help="Print the lines of the code that differ, too.")
@project_option
@json_option
def diff_(a: str, b: str, code: bool, project: str | None, as_json: bool) -> None:
    """Show what differs between two versions: files of the code, and fields of the spec.

    A is name, name:tag or name@sha256:…; B likewise, or only :tag or @sha256:… of the same function. What
    `framework diff` shows of two versions is the same.
    """
    session = opened()
    if b[:1] in {":", "@"}:
        b = _bare(a) + b
    older, newer = (of_version(find(session, text, project)) for text in (a, b))
    report(session, older, newer, code=code, as_json=as_json)


def _bare(name: str) -> str:
    """The name without tag and version; the scheme of a URI has a colon too."""
    head, mark, tail = name.partition("@")[0].partition("://")
    return head + mark + tail.partition(":")[0] if mark else head.partition(":")[0]
