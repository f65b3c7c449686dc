"""``framework runs logs``, and ``framework logs``, which is the same."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import click

from framework.cli.output import following, note, state_cell
from framework.cli.session import opened
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Database
    from framework.engine.session import Session

_PAUSE: Final = 0.2  # seconds between two looks while following


@click.command("logs")
@click.argument("uid")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt.  [default: the last]")
def logs(uid: str, follow: bool, attempt: int | None) -> None:
    """Print the output of a run: the bytes that it wrote, standard output and standard error in their order.

    What the framework itself had to say goes to standard error.
    """
    from framework.engine.collect import collect

    session = opened()
    collect(session)
    run = session.database.run(uid)
    uid = run["metadata"]["uid"]
    printed = _print(session.database, uid, attempt, 0)
    if follow:
        _follow(session, uid, attempt, printed)
    elif run["status"].get("state") not in ENDED:
        note(f"The run is {state_cell(run).text}.")
        following(f"framework logs -f {uid}")


def _follow(session: Session, uid: str, attempt: int | None, printed: int) -> None:
    from framework.engine.collect import collect

    while True:
        run = session.database.run(uid)
        printed += _print(session.database, uid, attempt, printed)
        if run["status"].get("state") in ENDED:
            return
        time.sleep(_PAUSE)
        collect(session)


def _print(database: Database, uid: str, attempt: int | None, after: int) -> int:
    """Write the chunks behind ``after``; returns how many there were."""
    count = 0
    for chunk in database.log(uid, attempt=attempt, after=after):
        stream = sys.stderr.buffer if chunk.stream == "system" else sys.stdout.buffer
        stream.write(chunk.data)
        count += 1
    sys.stdout.buffer.flush()
    sys.stderr.buffer.flush()
    return count
