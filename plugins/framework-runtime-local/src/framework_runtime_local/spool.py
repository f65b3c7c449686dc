"""The spool: the folder of a run that is not collected yet (docs/architecture.md, "Local runs on disk")."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework_run import eventfile, locks

_TAIL = 1 << 20  # bytes at the end of the event file in which the end is looked for
_GONE = ".gone"  # the end of the name of a spool that is being removed
_STALE = 3600.0  # seconds after which a spool that nobody finished making is litter


class Spool:
    """Where the files of one run are.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.submission = self.path / "submission.json"
        self.handle = self.path / "handle.json"
        self.events = self.path / "events"
        self.lock = self.path / "lock"
        self.abort = self.path / "abort"
        self.log = self.path / "supervisor.log"
        self.scratch = self.path / "scratch"
        self.groups = self.path / "groups"

    @property
    def held(self) -> bool:
        """Whether a supervisor, or the client that is about to start one, has the lock."""
        return locks.is_held(str(self.lock))

    def read(self, path: Path) -> dict[str, Any] | None:
        """A document of the spool; None where it is not there or not whole."""
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def left_groups(self) -> list[str]:
        """The folders of the control groups that the supervisor has made."""
        try:
            found = json.loads(self.groups.read_bytes())
        except (OSError, ValueError):
            return []
        return [folder for folder in found if isinstance(folder, str)] if isinstance(found, list) else []

    def final_end(self) -> dict[str, Any] | None:
        """The run's final end, where the supervisor has written it: it is the last event but for damage."""
        try:
            start = max(0, self.events.stat().st_size - _TAIL)
        except OSError:
            return None
        found: list[dict[str, Any]] = []
        while True:
            events, offset = eventfile.read(str(self.events), start)
            found = [event for event in events if is_final(event)] or found
            if offset == start:
                return found[-1] if found else None
            start = offset

    def ask(self, grace: float) -> None:
        """Note how long a run that is asked to end may take, in seconds."""
        part = self.path / f".abort.{os.getpid()}"
        part.write_text(str(grace), encoding="ascii")
        part.replace(self.abort)

    def remove(self) -> None:
        """Remove the folder; under another name first, so that nobody finds a half of it."""
        gone = self.path.with_name(f".{self.path.name}{_GONE}")
        try:
            self.path.rename(gone)
        except OSError:
            gone = self.path  # it is gone already, or another process has just renamed it
        shutil.rmtree(gone, ignore_errors=True)


def is_final(event: dict[str, Any]) -> bool:
    """Whether an event is the run's own end, and not a child's or an observer's."""
    return event["kind"] == "end" and not event.get("child") and not event["data"].get("provisional")


def name_of(run: dict[str, Any]) -> str:
    """The name of a spool: each attempt has its own, so that nobody who tidies up after one meets the next.

    Args:
        run: The ``run`` part of a submission.
    """
    attempt = run.get("attempt", 1)
    return str(run["uid"]) if attempt == 1 else f"{run['uid']}.{attempt}"


def make(runs: Path, name: str, documents: dict[str, dict[str, Any]]) -> tuple[Spool, int]:
    """Make the spool of a run, which is visible only when it is whole and locked.

    Args:
        runs: The folder of all spools.
        name: The spool's name, as of `name_of`.
        documents: What is written to it: file name to document.

    Returns:
        The spool, and the descriptor that holds its lock. The lock is not signed: nobody is to be sent a signal yet.

    Raises:
        OSError: It cannot be made; nothing is left behind.
    """
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    hidden = runs / f".{name}.{os.getpid()}"
    hidden.mkdir(mode=0o700)
    lock = -1
    try:
        lock = locks.hold(str(hidden / "lock"))
        os.ftruncate(lock, 0)
        (hidden / "scratch").mkdir()
        for file, document in documents.items():
            _write(hidden / file, json.dumps(document, separators=(",", ":")))
        hidden.rename(runs / name)
    except BaseException:
        if lock >= 0:
            os.close(lock)
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return Spool(runs / name), lock


def spools(runs: Path) -> Iterator[Spool]:
    """Every spool that is whole, the oldest run first."""
    try:
        names = sorted(os.listdir(runs))  # noqa: PTH208  the names are all that is needed
    except FileNotFoundError:
        return
    for name in names:
        if not name.startswith("."):
            yield Spool(runs / name)


def sweep(runs: Path) -> None:
    """Remove what clients left that died while they made or removed a spool.

    What was being removed goes at once; what was being made may still be, so it has some time.
    """
    for path in runs.glob(".*"):
        try:
            stale = path.name.endswith(_GONE) or time.time() - path.stat().st_mtime > _STALE
        except FileNotFoundError:
            continue
        if stale and not locks.is_held(str(path / "lock")):
            shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        stream.write(text)
