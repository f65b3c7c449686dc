"""A map that nobody watches, of a kind that does not map by itself: a process of its own starts the items.

It gets the work as it was planned, by a pipe, and is what the client of a watched map is (`framework.engine.map_here`):
it holds the map's lock, hears who asks the map to end, and leaves the same behind when it dies.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Final, cast

from attrs import evolve

from framework.engine.map_ends import conclude
from framework.engine.map_here import MapHere, Work
from framework.engine.notifications import tell
from framework.engine.session import Session
from framework.errors import BackendError, FrameworkError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.runtimes import Submission
    from framework_run.events import Event

_READY: Final = "The map is recorded, and has begun."
_DRIVE: Final = f"from {__name__} import drive; drive()"
# Nothing that lies in the present folder is to be imported in place of ours.
_WORDS: Final = [sys.executable, "-c", f"import sys; sys.path = [it for it in sys.path if it]; {_DRIVE}"]
_drivers: list[subprocess.Popen[bytes]] = []  # that this process has started, and has not waited for


def start(session: Session, work: Work) -> Document:
    """Start the process that maps, and wait until it has begun: then this one may go.

    Args:
        session: Where the map is recorded.
        work: What is to be done.

    Returns:
        The document of the run that maps.

    Raises:
        BackendError: It did not begin, and nothing is recorded; the message has its last words.
    """
    content = pickle.dumps((session.settings, evolve(work, items=_portable(session, work))))
    _drivers[:] = [driver for driver in _drivers if driver.poll() is None]
    driver = subprocess.Popen(
        _WORDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        with suppress(BrokenPipeError), cast("IO[bytes]", driver.stdin) as stream:
            stream.write(content)
        with cast("IO[bytes]", driver.stdout) as stream:
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except BaseException:
        driver.kill()
        driver.wait()
        raise
    if _READY not in lines:
        driver.wait()
        words = next((line.strip() for line in reversed(lines) if line.strip()), f"exit status {driver.returncode}")
        raise BackendError(f"the process that maps did not begin: {words}", advice="Leave out --detach (watch=False).")
    _drivers.append(driver)
    return session.database.run(work.run["metadata"]["uid"])


def _portable(session: Session, work: Work) -> list[Submission]:
    """The items as another process can have them: of a kind that does not see this machine's files, with the code."""
    items = list(work.items)
    sees_files = "process" in session.plugins.runtimes()[work.kind].item.capabilities
    pack = items[0].archive
    archive = None if sees_files or pack is None else partial(bytes, pack())
    return [evolve(item, archive=archive) for item in items]


def drive() -> None:
    """The process that maps, from its beginning to its end."""
    settings, work = pickle.load(sys.stdin.buffer)  # noqa: S301  from the process that has started this one
    session, begin = Session(settings), _Beginning()
    try:
        document = MapHere(session, work, begin).run()
    except Exception as error:  # noqa: BLE001  whatever it is: nobody sees it but by the map's end
        message = error.message if isinstance(error, FrameworkError) else f"{type(error).__name__}: {error}"
        if not begin.has_begun:
            raise SystemExit(message) from None
        document = conclude(session.database, work.run, why_missing=message)
    tell(session, document)


class _Beginning:
    """Says that the map has begun, by its first event; from then on nobody listens."""

    def __init__(self) -> None:
        self.has_begun = False

    def __call__(self, _event: Event) -> None:
        """Hear of an event."""
        if self.has_begun:
            return
        self.has_begun = True
        sys.stdout.write(f"{_READY}\n")
        sys.stdout.flush()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.close(nowhere)


@atexit.register
def _let_go() -> None:
    """They outlive this process, which is not to be told at its end of children that nobody waited for."""
    for driver in _drivers:
        driver.returncode = 0
