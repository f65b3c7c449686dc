"""How the supervisor is started: quickly, apart from the client, and with two descriptors only."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from framework.errors import BackendError, CapabilityMissing
from framework_runtime_local.processes import marks

LOCK_FD: Final = 3
WAKE_FD: Final = 4
"""The numbers under which the supervisor finds the lock and the pipe that wakes the client."""

_FIRST_SPARE: Final = 16  # descriptors from here on are in nobody's way when they are copied to 3 and 4


def command(python: str, runner: Path, submission: Path) -> list[str]:
    """The command line of a supervisor.

    It is isolated as by ``-I``, but for the variables that tell an interpreter how to work (PYTHONHASHSEED,
    PYTHONFAULTHANDLER, …): the handler is forked from it, and has them as if it had been started by hand. PYTHONPATH is
    kept from it by `environment`.
    """
    return [python, "-s", str(runner), str(submission)]


def environment(document: Mapping[str, Any], inherited: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The variables of the supervisor's interpreter, and those that the handler gets beside them.

    Args:
        document: The submission.
        inherited: The variables of the client.
    """
    handlers = dict(document.get("env") or {})
    variables = {**inherited, **handlers, **marks(document["run"])}
    path = variables.pop("PYTHONPATH", None)
    if path is not None:
        handlers["PYTHONPATH"] = path
    return variables, handlers


def start(words: list[str], variables: Mapping[str, str], log: Path, lock: int, wake: int) -> int:
    """Start a supervisor in a session of its own.

    SIGTERM and SIGINT are blocked until it can answer them, so that no run is lost by being asked to end too early.

    Args:
        words: Its command line.
        variables: Its environment.
        log: Where its own output goes; of a run that goes well nothing does.
        lock: The descriptor that holds the run's lock; it stays open here.
        wake: The pipe's write end; likewise.

    Returns:
        Its pid.

    Raises:
        BackendError: It cannot be started.
    """
    if not hasattr(os, "fork"):
        raise CapabilityMissing("this system cannot fork, which the kind local needs", advice="Run it inline.")
    spare = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_SPARE) for fd in (lock, wake)]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, spare[0], LOCK_FD),
        (os.POSIX_SPAWN_DUP2, spare[1], WAKE_FD),
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in _leaking()),
    ]
    try:
        return os.posix_spawn(
            words[0],
            words,
            variables,
            file_actions=actions,
            setsid=True,
            setsigmask=[signal.SIGTERM, signal.SIGINT],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    except OSError as error:
        raise BackendError(f"{words[0]} cannot be started: {error.strerror}", advice=_ADVICE) from error
    finally:
        for fd in spare:
            os.close(fd)


_ADVICE: Final = "Check the interpreter, and the machine's limits of processes and memory."


def _leaking() -> list[int]:
    """Descriptors that a new process would inherit and has no business with: held open, they keep locks and pipes."""
    fds = []
    folder = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    for name in os.listdir(folder):  # noqa: PTH208  the names are all that is needed
        fd = int(name)
        try:
            if fd > WAKE_FD and os.get_inheritable(fd):
                fds.append(fd)
        except OSError:
            continue  # the one that the listing itself had
    return fds
