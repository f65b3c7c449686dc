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
from framework.databases import RunQuery
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_PAUSE: Final = 0.25  # seconds between two looks while following
_BEGUN: Final = ("running", *sorted(ENDED))
_COLORS: Final = ("cyan", "yellow", "green", "magenta", "blue", "red")


@click.command("logs")
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@click.option("-f", "--follow", is_flag=True, help="Go on until the runs have ended, over all their attempts.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt.  [default: the last]")
def logs(uids: tuple[str, ...], follow: bool, attempt: int | None) -> None:
    """Print the output of runs: the bytes that they wrote, standard output and standard error in their order.

    What the framework itself had to say goes to standard error. Of several runs, each line begins with its run's
    name, and its worker's where the kind has workers. Of a map these are its items. Ctrl-C ends the printing, and not
    the runs.
    """
    session = collected()
    runs = {run["metadata"]["uid"]: run for run in map(session.database.run, uids)}
    printers = _Printers(session, list(runs.values()), attempt)
    if follow:
        _follow(session, list(runs), printers)
        return
    printers.print(close=True)
    going = [uid for uid, run in runs.items() if run["status"].get("state") not in ENDED]
    for uid in going:
        note(f"The run is {state_cell(runs[uid]).text}." if len(runs) == 1 else f"{uid}: {state_cell(runs[uid]).text}")
    if going:
        following(f"framework logs -f {' '.join(going)}")


class _Printers:
    """What prints each of some runs, and in place of a map its items, as they begin."""

    def __init__(self, session: Session, runs: list[Document], attempt: int | None) -> None:
        self._database = session.database
        self._attempt = attempt
        self._maps = [run for run in runs if run["spec"].get("map")]
        single = [run for run in runs if not run["spec"].get("map")]
        short = shorten(run["metadata"]["uid"] for run in runs)
        names = {run["metadata"]["uid"]: f"{run['metadata']['name']} {short[run['metadata']['uid']]}" for run in runs}
        items = max((len(f" #{run['spec']['map']['items']}") for run in self._maps), default=0)
        self._room = max(map(len, names.values())) + items
        self._names = names
        self._made: dict[str, Printer] = {}
        for run in single:
            self._make(run["metadata"]["uid"], "" if len(runs) == 1 else names[run["metadata"]["uid"]])

    def print(self, *, close: bool) -> None:
        """Print what is new."""
        for run in self._maps:
            self._find_items(run["metadata"]["uid"])
        for printer in list(self._made.values()):
            printer.print(close=close)

    def _find_items(self, uid: str) -> None:
        asked = RunQuery(parent=uid, descending=False, limit=None, states=_BEGUN)
        for item in self._database.runs(asked):
            if item["metadata"]["uid"] not in self._made:
                self._make(item["metadata"]["uid"], f"{self._names[uid]} #{item['spec'].get('iteration', 0)}")

    def _make(self, uid: str, name: str) -> None:
        color = _COLORS[len(self._made) % len(_COLORS)] if sys.stdout.isatty() else None

        def prefix(worker: str) -> str:
            words = [name.ljust(self._room), *([worker] if worker else []), "| "]
            return click.style(" ".join(words), fg=color) if color else " ".join(words)

        self._made[uid] = Printer(self._database, uid, self._attempt, prefix if name else None)


def _follow(session: Session, uids: list[str], printers: _Printers) -> None:
    from framework.engine.following import followed

    said: dict[str, str] = {}
    waits: dict[str, str] = {}
    try:
        with followed(session, uids) as followers:
            while True:
                is_over = followers.is_over  # asked before the printing: then all that was recorded is printed
                printers.print(close=is_over)
                for uid, problem in _news(followers.problems, said):
                    note(f"{uid}: {problem}; it is tried again.")
                for uid, why in _news(followers.waits, waits):
                    note(f"{why}." if len(uids) == 1 else f"{uid}: {why}.")
                if is_over:
                    break
                followers.wait(_PAUSE)
    except KeyboardInterrupt:
        _leave(session, uids)
    if len(uids) > 1:
        for run in map(session.database.run, uids):
            note(f"{run['metadata']['name']} {run['metadata']['uid']}: {state_cell(run).text}")


def _news(found: dict[str, str], said: dict[str, str]) -> list[tuple[str, str]]:
    """What has not been said yet of each run, which is noted."""
    new = [(uid, words) for uid, words in list(found.items()) if said.get(uid) != words]
    said.update(new)
    return new


def _leave(session: Session, uids: list[str]) -> None:
    going = [uid for uid in uids if session.database.run(uid)["status"].get("state") not in ENDED]
    if going:
        note("\nThe run goes on." if len(going) == 1 else f"\n{len(going)} runs go on.")
        following(f"framework logs -f {' '.join(going)}", f"framework abort {' '.join(going)}")
    raise click.exceptions.Exit(INTERRUPTED)
