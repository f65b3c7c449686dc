"""``framework runs logs``, and ``framework logs``, which is the same."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from framework.cli.output import following, note, state_cell
from framework.cli.reporting import INTERRUPTED
from framework.cli.runs.printing import Printer
from framework.cli.session import collected
from framework.cli.uids import shorten
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.engine.session import Session

_PAUSE: Final = 0.25  # seconds between two looks while following
_COLORS: Final = ("cyan", "yellow", "green", "magenta", "blue", "red")


@click.command("logs")
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@click.option("-f", "--follow", is_flag=True, help="Go on until the runs have ended, over all their attempts.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt.  [default: the last]")
def logs(uids: tuple[str, ...], follow: bool, attempt: int | None) -> None:
    """Print the output of runs: the bytes that they wrote, standard output and standard error in their order.

    What the framework itself had to say goes to standard error. Of several runs, each line begins with its run's
    name. Ctrl-C ends the printing, and not the runs.
    """
    session = collected()
    runs = {run["metadata"]["uid"]: run for run in map(session.database.run, uids)}
    printers = _printers(session, {uid: run["metadata"]["name"] for uid, run in runs.items()}, attempt)
    if follow:
        _follow(session, printers)
        return
    for printer in printers:
        printer.print(close=True)
    going = [uid for uid, run in runs.items() if run["status"].get("state") not in ENDED]
    for uid in going:
        note(f"The run is {state_cell(runs[uid]).text}." if len(runs) == 1 else f"{uid}: {state_cell(runs[uid]).text}")
    if going:
        following(f"framework logs -f {' '.join(going)}")


def _printers(session: Session, names: dict[str, str], attempt: int | None) -> list[Printer]:
    if len(names) == 1:
        return [Printer(session.database, uid, attempt) for uid in names]
    short = shorten(names)
    room = max(len(f"{name} {short[uid]}") for uid, name in names.items())
    printers = []
    for index, (uid, name) in enumerate(names.items()):
        prefix = f"{name} {short[uid]}".ljust(room) + " | "
        if sys.stdout.isatty():
            prefix = click.style(prefix, fg=_COLORS[index % len(_COLORS)])
        printers.append(Printer(session.database, uid, attempt, prefix))
    return printers


def _follow(session: Session, printers: list[Printer]) -> None:
    from framework.engine.following import followed

    said: dict[str, str] = {}
    try:
        with followed(session, [printer.uid for printer in printers]) as followers:
            while True:
                is_over = followers.is_over  # asked before the printing: then all that was recorded is printed
                for printer in printers:
                    printer.print(close=is_over)
                for uid, problem in list(followers.problems.items()):
                    if said.get(uid) != problem:
                        said[uid] = problem
                        note(f"{uid}: {problem}; it is tried again.")
                if is_over:
                    break
                followers.wait(_PAUSE)
    except KeyboardInterrupt:
        _leave(session, [printer.uid for printer in printers])
    if len(printers) > 1:
        for printer in printers:
            run = session.database.run(printer.uid)
            note(f"{run['metadata']['name']} {printer.uid}: {state_cell(run).text}")


def _leave(session: Session, uids: list[str]) -> None:
    going = [uid for uid in uids if session.database.run(uid)["status"].get("state") not in ENDED]
    if going:
        note("\nThe run goes on." if len(going) == 1 else f"\n{len(going)} runs go on.")
        following(f"framework logs -f {' '.join(going)}", f"framework abort {' '.join(going)}")
    raise click.exceptions.Exit(INTERRUPTED)
