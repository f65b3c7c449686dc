"""Which processes with inline runs live: each holds a lock for as long as it does."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from framework.home import live_dir
from framework_run import locks

_held: dict[int, tuple[dict[str, Any], int]] = {}
_holding = threading.Lock()  # of several threads that begin their first run at once, one takes the lock for all


def handle(home: Path) -> dict[str, Any]:
    """The handle of a run in this process: the name of the lock that it holds for life, and the machine."""
    pid = os.getpid()
    if pid not in _held:
        with _holding:
            if pid not in _held:
                _held[pid] = _hold(home, pid)
    return dict(_held[pid][0])


def _hold(home: Path, pid: int) -> tuple[dict[str, Any], int]:
    """Take this process's lock; the handle of its runs, and the lock's descriptor."""
    folder = live_dir(home)
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / f"{pid}-{locks.start_time(pid)}.lock")
    place = {"lock": path, "host": os.uname().nodename, "boot": locks.boot_id()}
    return {"kind": "inline", "version": 1, **place}, locks.hold(path)


def _let_go() -> None:
    """In a forked child: the lock that it inherits is its parent's, and would outlive it here."""
    global _holding  # noqa: PLW0603  a thread that is not here may have it
    _holding = threading.Lock()
    while _held:
        os.close(_held.popitem()[1][1])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def is_alive(handle: dict[str, Any]) -> bool | None:
    """Whether the process of an inline run lives; None where that cannot be told, because it is on another machine."""
    if handle.get("boot", locks.boot_id()) != locks.boot_id():
        return False if handle.get("host") == os.uname().nodename else None
    return locks.is_held(handle["lock"])


def sweep(home: Path) -> None:
    """Remove the locks of processes that are gone."""
    for path in live_dir(home).glob("*.lock"):
        if not locks.is_held(str(path)):
            path.unlink(missing_ok=True)
