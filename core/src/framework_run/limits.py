"""Signals to everything that a handler has started."""

from __future__ import annotations

import os
import signal


def signal_session(leader: int, number: int) -> None:
    """Send a signal to every process of a session.

    Args:
        leader: The pid of the session's leader, whether it lives or not.
        number: The signal.
    """
    members = session_members(leader)
    for pid in members:
        send(pid, number)
    if not members:
        try:
            os.killpg(leader, number)
        except OSError:
            pass  # nobody is left


def session_members(leader: int) -> list[int]:
    """The processes of a session; empty where the system has no /proc."""
    members = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != b"Z":  # field 6 of proc(5): the session
                members.append(int(name))
    return members


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it is gone


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux, prctl(2)); elsewhere nothing."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what the handler leaves behind (Linux, prctl(2)), so that it can be found and ended."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    except (ImportError, OSError, AttributeError):
        return
