"""The lease of a local run: a lock of the kernel's, never an age.

``flock`` belongs to the open file, so a descriptor that is inherited keeps it: the client takes it before the run is
visible and hands it to the supervisor, and there is no moment without it. (A POSIX record lock belongs to one process,
and goes when any of its descriptors of that file is closed: fcntl(2).)
"""

from __future__ import annotations

import json
import os
import time
from typing import Any, Final

try:
    import fcntl
except ImportError:  # pragma: no cover  Windows
    fcntl = None  # type: ignore[assignment]

_GLANCE: Final = 2.0  # seconds for which others, on a busy machine, may be looking at the lock in `is_held`
_LENGTH: Final = 200  # bytes, always: another's writing is then replaced by one write, and needs no room on the disk


def hold(path: str) -> int:
    """Take the lock and say who has it.

    Args:
        path: The lock's file; created where it is missing.

    Returns:
        The descriptor that holds it, not inheritable.

    Raises:
        BlockingIOError: Another process has it.
    """
    deadline = time.monotonic() + _GLANCE
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _try(fd, fcntl.LOCK_EX) and os.fstat(fd).st_nlink:  # else somebody removed it as nobody's before we had it
            sign(fd)
            return fd
        os.close(fd)
        if time.monotonic() > deadline:
            raise BlockingIOError(f"another process holds {path}")
        time.sleep(0.001)


def sign(fd: int, pid: int | None = None) -> None:
    """Write into a held lock whose it is: pid, its start time, the machine's boot, for people and for signals."""
    pid = os.getpid() if pid is None else pid
    text = json.dumps({"pid": pid, "start": start_time(pid), "boot": boot_id()})
    os.pwrite(fd, text.ljust(_LENGTH).encode(), 0)


def is_held(path: str) -> bool:
    """Whether some process holds the lock. Never waits; a file that is not there is not held."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def owner(path: str) -> dict[str, Any]:
    """What `sign` wrote; empty where nothing whole is there."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  pathlib is slow to import on the run side
            found = json.loads(stream.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def boot_id() -> str:
    """What changes with each start of the machine; empty where the system does not say."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def start_time(pid: int) -> str:
    """When a process began, in the system's own units; a pid that is used again has another. Empty where unknown."""
    text = _read(f"/proc/{pid}/stat")
    return text.rpartition(")")[2].split()[19] if text else ""  # field 22 of proc(5)


def _try(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123  as above
            return stream.read()
    except OSError:
        return ""
