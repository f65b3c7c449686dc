"""The wording of every end: cause, a line of evidence, a line of advice (docs/architecture.md, "States and causes")."""

from __future__ import annotations

import os
import signal
from typing import Any

Ending = dict[str, Any]

_CRASHES = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"}
_SHELL = 128  # a shell says 128 + n of a process that died of signal n: POSIX.1-2017, XCU 2.8.2
_MEMORY_ADVICE = "Give it more memory, or let it work on less at a time."


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
    return failed("OutOfMemory", message, _MEMORY_ADVICE, **facts)


def timeout(seconds: float) -> Ending:
    """A limit of time was reached."""
    return failed("Timeout", f"it ran longer than its limit of {seconds:g} s", "Raise --timeout, or make it faster.")


def pending_timeout(seconds: float) -> Ending:
    """The limit of time before the user's code begins was reached."""
    message = f"its code had not begun after its limit of {seconds:g} s"
    return failed("Timeout", message, "Raise --pending-timeout, or look at what it waited for.")


def aborted(message: str = "it was asked to end") -> Ending:
    """Somebody asked for it."""
    advice = "Run it again when you want it."
    return {"state": "aborted", "cause": "Aborted", "message": message, "advice": advice}


def lost(message: str, **facts: Any) -> Ending:
    """The process is gone and left no final record."""
    advice = "Nobody here ended it: look for an operator, a memory killer or a restart, and run it again."
    return failed("Lost", message, advice, **facts)


def from_exit(status: int, *, command: bool, oom_kills: int = 0, last_words: str = "") -> Ending:
    """The end of a process that left no word of its own.

    Args:
        status: As from ``os.waitpid``.
        command: It was a script or a command, whose exit code is its word.
        oom_kills: How often the kernel has killed for memory in its control group while it ran.
        last_words: The last line that a command wrote to standard error; empty where it wrote nothing.
    """
    if os.WIFSIGNALED(status):
        return from_signal(os.WTERMSIG(status), oom_kills=oom_kills)
    code = os.WEXITSTATUS(status)
    if command:
        return {**_of_command(code, oom_kills, last_words), "exit_code": code}
    advice = "Something called os._exit or replaced the process: let the handler return instead."
    return user_error(f"exit code {code} before the handler returned", exit_code=code, advice=advice)


def from_signal(number: int, *, oom_kills: int = 0) -> Ending:
    """The end by a signal that nobody here sent."""
    name = signal_name(number)
    if name == "SIGKILL" and oom_kills:
        return out_of_memory("the kernel killed it for want of memory (signal 9, SIGKILL)", signal=number)
    if name in _CRASHES:
        advice = "Native code crashed: run it with the environment variable PYTHONFAULTHANDLER=1 to see where."
        return failed("UserError", f"it crashed with signal {number} ({name})", advice, signal=number)
    return lost(f"it was killed by signal {number} ({name}), which was not sent by the framework", signal=number)


def died_after_return(number: int) -> Ending:
    """Completed all the same: everything was returned and sent before the process died."""
    return completed(f"it died of signal {number} ({signal_name(number)}) after the handler had returned")


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal n`` where the system has no name for it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _of_command(code: int, oom_kills: int, last_words: str) -> Ending:
    if code == 0:
        return completed()
    evidence = f"exit code {code}"
    if code > _SHELL and (name := signal_name(code - _SHELL)).startswith("SIG"):
        evidence += f" (128 + {code - _SHELL}: a process that it started died of {name})"
        if name == "SIGKILL" and oom_kills:
            return out_of_memory(f"{evidence}, killed by the kernel for want of memory")
    if last_words:
        return user_error(f"{evidence}: {last_words}", advice="Look at its output for the rest.")
    return user_error(f"{evidence}, and nothing on standard error", advice="Only the command knows why: let it say so.")
