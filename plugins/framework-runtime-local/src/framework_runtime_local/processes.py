"""The processes of a run: who is the supervisor, what is left of a run without one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, Final

from framework_run import locks

_UID: Final = "FRAMEWORK_RUN_UID"
_ATTEMPT: Final = "FRAMEWORK_RUN_ATTEMPT"

_ROUNDS: Final = 20
_PAUSE: Final = 0.01  # seconds between two rounds

_started: set[int] = set()  # the supervisors that this process started and has not reaped yet


def remember(pid: int) -> None:
    """Note a supervisor that this process has started, and will have to reap."""
    _started.add(pid)


def reap() -> None:
    """Take the exit status of the supervisors that this process started and that have ended."""
    for pid in tuple(_started):
        try:
            done, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            done = pid  # this is a forked copy of the client, or somebody else has reaped it
        if done:
            _started.discard(pid)


def lives(owner: dict[str, Any]) -> bool:
    """Whether the process that signed a lock is still the same process."""
    pid = owner.get("pid")
    if not isinstance(pid, int) or owner.get("boot") != locks.boot_id():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's now, and then its start differs
    return bool(owner.get("start") == locks.start_time(pid))


def ask(pid: int) -> None:
    """Ask a supervisor to end its run, even one that is stopped."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)


def marks(run: dict[str, Any]) -> dict[str, str]:
    """The variables that every process of an attempt is started with, and by which it is known.

    Args:
        run: The ``run`` part of a submission.
    """
    return {_UID: str(run["uid"]), _ATTEMPT: str(run.get("attempt", 1))}


def members(run: dict[str, Any]) -> list[int]:
    """The processes that were started for an attempt and are alive; empty where the system has no /proc.

    Args:
        run: The ``run`` part of a submission.
    """
    wanted = {f"{name}={value}".encode() for name, value in marks(run).items()}
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:  # noqa: PTH112, PTH208  a scan of names
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as stream:  # noqa: PTH123  likewise
                    marked = wanted <= set(stream.read().split(b"\0"))
            except OSError:
                continue  # it has ended, or is another user's
            if marked:
                found.append(int(name))
    return found


def end_members(run: dict[str, Any]) -> int:
    """Kill what is left of an attempt whose supervisor is gone.

    Args:
        run: The ``run`` part of a submission.

    Returns:
        How many processes there were.
    """
    ended: set[int] = set()
    for _ in range(_ROUNDS):  # what one of them has just started is found in the next round
        left = members(run)
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
            ended.add(pid)
        time.sleep(_PAUSE)
    return len(ended)
