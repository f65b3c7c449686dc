"""The processes of a run: found, signalled, and never left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36
_BURIAL = 1.0  # seconds that killed processes may take to go


def descendants() -> list[int]:
    """The living processes that this one has started or adopted, theirs too; empty where the system has no /proc."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:  # noqa: PTH112, PTH208  pathlib is slow to import
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:  # noqa: PTH123  as above
                    state, parent = stream.read().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):
                continue  # it has gone meanwhile
            if state != b"Z":
                parents[int(name)] = int(parent)
    found: set[int] = set()
    level = {os.getpid()}
    while level := {pid for pid, parent in parents.items() if parent in level} - found:
        found |= level
    return sorted(found)


def kill_all(leader: int) -> list[int]:
    """Kill everything that a handler has started.

    On Linux that is every descendant of this process, whatever session it has moved to, since orphans are adopted;
    elsewhere the handler's process group.

    Args:
        leader: The handler's pid.

    Returns:
        Their pids, where they are known.
    """
    members = descendants()
    for pid in members:
        send(pid, signal.SIGKILL)
    if not members:
        send_group(leader, signal.SIGKILL)
    return members


def bury(leader: int, reap: Callable[[], bool]) -> int:
    """Kill what a handler has left behind, until nothing is left or it cannot be killed.

    Args:
        leader: The handler's pid; it has ended.
        reap: Waits for those that have ended, and says whether this process has no children any more.

    Returns:
        How many processes there were.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + _BURIAL
    while not reap() and time.monotonic() < deadline:
        killed.update(kill_all(leader))
        time.sleep(0.002)
    return len(killed)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except OSError:
        return


def send_group(leader: int, number: int) -> None:
    """Send a signal to a process group that may be gone."""
    try:
        os.killpg(leader, number)
    except OSError:
        return


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux); elsewhere nothing.

    Args:
        parent: The pid of the parent. If that has died before the kernel knew, this process ends.
    """
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) and os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what the handler leaves behind (Linux), so that it can be found and ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> bool:
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError, TypeError):  # no ctypes, or a system without prctl
        return False
    return bool(prctl(option, value, 0, 0, 0) == 0)
