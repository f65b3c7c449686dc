"""``framework runs watch``: a table that keeps itself up to date."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click
from attrs import evolve

from framework.cli.documents import complete_run
from framework.cli.filters import query, run_filters
from framework.cli.options import json_option
from framework.cli.output import following, note, write_json
from framework.cli.reporting import INTERRUPTED
from framework.cli.runs.screen import screen
from framework.cli.session import collected, say_silent
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document, RunQuery
    from framework.engine.session import Session

_PAUSE: Final = 0.5  # seconds between two looks
_GOING: Final = ("created", "pending", "running")


@click.command("watch")
@click.argument("uids", nargs=-1, metavar="[UID...]")
@run_filters
@json_option
def watch(uids: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """Show runs while they run: a table that is kept up to date, or a line for each change where nobody looks.

    Without UIDs these are all runs that fit and have not ended, and those that begin meanwhile. It ends when none is
    left; with UIDs the exit status is 1 unless all of them are completed. Ctrl-C ends the watching, and not the runs.
    """
    session = collected()
    watched = Watched(session, [session.database.run(uid)["metadata"]["uid"] for uid in uids], query(**filters))
    shown = screen(quiet=as_json)
    try:
        with _collecting(session) as collecting:
            while True:
                runs = watched.look()
                shown.draw(runs)
                if not any(run["status"].get("state") in _GOING for run in runs):
                    break
                collecting.wait(_PAUSE)
    except KeyboardInterrupt:
        _leave(watched)
    finally:
        shown.close()
    if as_json:
        write_json([complete_run(run) for run in runs])
    elif not runs:
        note("Nothing is running.")
        following("framework runs list")
    if uids and any(run["status"].get("state") != "completed" for run in runs):
        raise click.exceptions.Exit(1)


class Watched:
    """The runs that are watched.

    Args:
        session: Where they are recorded.
        uids: These; where it is empty, those that fit and go on.
        asked: What they have to fit.
    """

    def __init__(self, session: Session, uids: list[str], asked: RunQuery) -> None:
        self._database = session.database
        self._fixed = bool(uids)
        self._asked = evolve(asked, states=asked.states or _GOING)
        self._last: dict[str, Document] = {uid: {} for uid in uids}

    def look(self) -> list[Document]:
        """Their documents as they are now, the first that began first."""
        if not self._fixed:
            found = self._database.runs(self._asked)
            self._last.update({run["metadata"]["uid"]: run for run in reversed(found)})
        for uid, run in self._last.items():
            if not run or run["status"].get("state") not in ENDED:
                self._last[uid] = self._database.run(uid)
        return list(self._last.values())

    @property
    def going(self) -> list[str]:
        """Those that had not ended when they were last looked at."""
        return [uid for uid, run in self._last.items() if run and run["status"].get("state") not in ENDED]


class _Collecting:
    """Brings in what runs report, beside the drawing: a backend that is slow must not keep the screen waiting."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._said: list[tuple[str, str]] = []
        self._failure: BaseException | None = None

    def begin(self) -> None:
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait a while.

        Raises:
            FrameworkError: What keeps it from going on.
        """
        self._stop.wait(seconds)
        if self._failure is not None:
            raise self._failure

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(2.0)

    def _work(self) -> None:
        from framework.engine.collect import collect

        try:
            while not self._stop.is_set():
                collect(self._session, on_silent=self._say_once)
                self._stop.wait(_PAUSE)
        except BaseException as error:  # noqa: BLE001  it belongs to who watches
            self._failure = error

    def _say_once(self, runs: list[tuple[str, str]]) -> None:
        if runs != self._said:
            self._said = runs
            say_silent(runs)


@contextmanager
def _collecting(session: Session) -> Iterator[_Collecting]:
    collecting = _Collecting(session)
    collecting.begin()
    try:
        yield collecting
    finally:
        collecting.leave()


def _leave(watched: Watched) -> None:
    going = watched.going
    if going:
        note("\nThe run goes on." if len(going) == 1 else f"\n{len(going)} runs go on.")
        following("framework runs watch", f"framework logs -f {going[0]}")
    raise click.exceptions.Exit(INTERRUPTED)
