"""What an inline run could not deliver, because its database did not answer, is kept until a command brings it.

``FRAMEWORK_HOME/undelivered/UID/`` has ``run.json``, the run as it was recorded with its handle, and ``events``, an
event file. It is removed when its end, or what there is when its process is gone, has been brought in.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.engine.apply import Ledger, merge
from framework.engine.live import is_alive
from framework.engine.notifications import tell
from framework.models.causes import ENDED
from framework_run import eventfile
from framework_run.events import Event

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session
    from framework.errors import DatabaseError
    from framework.runtimes import Handle

_RUN: Final = "run.json"
_EVENTS: Final = "events"


class Undelivered:
    """The events of one run, written to a file in place of the database.

    Args:
        home: FRAMEWORK_HOME.
        document: The run, as the database was last known to have it.
        handle: Its handle.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, home: Path, document: Document, handle: Handle) -> None:
        folder = _folder(home) / document["metadata"]["uid"]
        folder.mkdir(parents=True, exist_ok=True)
        self.document = document
        self._ledger: Ledger | None = None
        if not (folder / _RUN).exists():
            part = folder / f".{_RUN}"
            part.write_text(json.dumps({"record": document, "handle": handle}), encoding="utf-8")
            part.replace(folder / _RUN)
        self._file = eventfile.EventFile(str(folder / _EVENTS))
        self.folder = folder

    def write(self, events: list[Event], counted: dict[str, int]) -> Document:
        """Write events.

        Args:
            events: What the run reports, in order.
            counted: How many events of each kind the run has had, these included.

        Returns:
            The run's document as it will be when they are brought in.

        Raises:
            OSError: They cannot be written.
        """
        for event in events:
            self._file.write(event)
        if events:
            ledger = _as_if_delivered(self.document, events, counted) if self._ledger is None else self._ledger
            merged = merge(self.document, ledger, events)
            self.document, self._ledger = merged.document, merged.ledger
            if any(event["kind"] == "end" and not event.get("child") for event in events):
                self._file.close()
        return self.document

    def say(self, error: DatabaseError) -> None:
        """Tell whoever sits at the terminal, past what is recorded of the run's own output."""
        stream = sys.__stderr__
        if stream is not None:
            stream.write(
                f"framework: {error.message}\n"
                f"The run goes on; what it reports is kept in {self.folder}, and brought in by: framework runs sync\n"
            )


def bring(session: Session) -> list[str]:
    """Bring in what runs could not deliver; returns the uids of those that have come to their end by this."""
    folders = sorted(_folder(session.home).glob("*-*"))
    return [folder.name for folder in folders if _bring_one(session, folder)]


def _bring_one(session: Session, folder: Path) -> bool:
    """Bring one run's events in; whether its end was among them."""
    try:
        kept: dict[str, Any] = json.loads((folder / _RUN).read_text("utf-8"))
    except (OSError, ValueError):
        return False  # its process has only begun, or another command has brought it
    alive = is_alive(kept["handle"])  # before it is read: what is written afterwards is written by it
    session.database.create_run(kept["record"], handle=kept["handle"])
    offset, over = 0, False
    while True:
        events, reached = eventfile.read(str(folder / _EVENTS), offset)
        if events:
            document = session.database.apply(folder.name, events, durable=True)
            over = document["status"].get("state") in ENDED
        if reached == offset:
            break
        offset = reached
    if over or alive is False:
        _remove(folder)
    if over:
        tell(session, document)
    return over


def _remove(folder: Path) -> None:
    gone = folder.with_name(f".{folder.name}")
    try:
        folder.rename(gone)
    except OSError:
        return  # another command was faster
    shutil.rmtree(gone, ignore_errors=True)


def _folder(home: Path) -> Path:
    return home / "undelivered"


def _as_if_delivered(document: Document, events: list[Event], counted: dict[str, int]) -> Ledger:
    """A ledger that says what the database has had, as far as it shows in the run's document."""
    before = dict(counted)
    for event in events:
        before[event["kind"]] -= 1
    first = events[0]
    status = document["status"]
    entry: dict[str, Any] = {"producers": {"0/0": {"last": first["seq"] - 1, "kinds": before}}}
    for section in ("results", "metrics", "artifacts"):
        entry[section] = {key: [0, value] for key, value in status.get(section, {}).items()}
    if status.get("started") is not None:
        entry["begun"] = {"time": status["started"]}
    return {"attempts": {str(first["attempt"]): entry}}
