"""The wording of every end: one cause, one line of evidence, one line of advice (docs/architecture.md, "States and causes")."""

from __future__ import annotations

import signal
from typing import Any

Ending = dict[str, Any]

_CRASHES = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"}


def completed(message: str = "") -> Ending:
    """The one good end."""
    return {"state": "completed", "cause": None, "message": message, "advice": ""}


def failed(cause: str, message: str, advice: str, **facts: Any) -> Ending:
    """A failure; ``facts`` are exit_code, signal, traceback."""
    return {"state": "failed", "cause": cause, "message": message, "advice": advice, **facts}


def user_error(message: str, *, traceback: str = "", exit_code: int | None = None, advice: str = "") -> Ending:
    """The user's code failed."""
    advice = advice or "Mend the code, or call it inline with --pdb to stop where it fails."
    return failed("UserError", message, advice, traceback=traceback, exit_code=exit_code)


def bad_input(message: str, *, advice: str = "Mend what the message names, and run it again.") -> Ending:
    """What was given cannot be run."""
    return failed("BadInput", message, advice)


def backend(message: str, *, advice: str = "Mend what the message names, and run it again.") -> Ending:
    """The framework, the disk or another backend failed."""
    return failed("BackendError", message, advice)


def out_of_memory(message: str, **facts: Any) -> Ending:
    """Memory ran out."""
    return failed("OutOfMemory", message, "Give it more memory, or let it work on less at a time.", **facts)


def timeout(seconds: float) -> Ending:
    """A limit of time was reached."""
    return failed("Timeout", f"it ran longer than its limit of {seconds:g} s", "Raise --timeout, or make it faster.")


def aborted(message: str = "it was asked to end") -> Ending:
    """Somebody asked for it."""
    return {"state": "aborted", "cause": "Aborted", "message": message, "advice": "Run it again when you want it."}


def lost(message: str, **facts: Any) -> Ending:
    """The process is gone and left no final record."""
    advice = "Nobody here ended it: look for an operator, a memory killer or a restart, and run it again."
    return failed("Lost", message, advice, **facts)


def from_status(status: int, *, oom_kills: int, command: bool) -> Ending:
    """The end of a process that left no word of its own.

    Args:
        status: As from ``os.waitpid``.
        oom_kills: How often the kernel has killed for memory in its control group while it ran.
        command: It was a script or a command, whose exit code is its word.
    """
    import os

    if os.WIFSIGNALED(status):
        return from_signal(os.WTERMSIG(status), oom_kills=oom_kills)
    code = os.WEXITSTATUS(status)
    if command:
        if code == 0:
            return completed() | {"exit_code": 0}
        return user_error(
            f"it ended with exit code {code}", exit_code=code, advice="Look at its output for the reason."
        )
    return user_error(
        f"the process ended with exit code {code} before the handler returned",
        exit_code=code,
        advice="Something called os._exit or replaced the process: let the handler return instead.",
    )


def from_signal(number: int, *, oom_kills: int = 0) -> Ending:
    """The end by a signal that nobody here sent."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number == getattr(signal, "SIGKILL", 9) and oom_kills:
        return out_of_memory("the kernel killed it for want of memory (signal 9, SIGKILL)", signal=number)
    if name in _CRASHES:
        advice = "Native code crashed: run it with PYTHONFAULTHANDLER=1 to see where."
        return failed("UserError", f"it crashed with signal {number} ({name})", advice, signal=number)
    return lost(f"it was killed by signal {number} ({name}), which was not sent by the framework", signal=number)
