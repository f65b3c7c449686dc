"""The handler process: loads the user's code, calls it, reports to the supervisor, and leaves."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

from framework_run import outcome, slot
from framework_run.channel import Channel
from framework_run.context import Context
from framework_run.loading import folder_of, load, prepare_path
from framework_run.numbers import decode


def run(submission: dict[str, Any], channel_fd: int, scratch: str) -> NoReturn:
    """Run a submission's handler in this process, and end the process.

    Args:
        submission: The whole submission.
        channel_fd: The channel's write end.
        scratch: A folder of this run's own.
    """
    channel = Channel(channel_fd, submission["token"])
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    end = _call({**submission, "params": decode(submission.get("params") or {})}, channel, scratch)
    end["pid"] = os.getpid()
    completed = end["state"] == "completed"
    _flush()
    channel.send("returned" if completed else "raised", end)
    _leave(0 if completed else end.get("exit_code") or 1)


def _call(submission: dict[str, Any], channel: Channel, scratch: str) -> dict[str, Any]:
    from framework_run import ends

    context = Context(submission, channel.send)
    slot.set_process(context)
    try:
        code = submission["code"]
        folder = folder_of(code, scratch)
        prepare_path(folder)
        outcome.call(load(code, folder), submission, context)
        context.flush()
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the end
        end = outcome.ending(error)
        _report(end)
        try:
            context.flush()
        except BaseException:  # noqa: BLE001, S110  memory or the pipe is gone; the end itself matters more
            pass
        return end
    return ends.completed()


def _report(end: dict[str, Any]) -> None:
    """The user's traceback in the log, where people look for it."""
    if end.get("traceback"):
        try:
            sys.stderr.write(end["traceback"])
        except (OSError, ValueError):
            pass  # the user's code has closed it


def _terminate(_number: int, _frame: FrameType | None) -> None:
    """Asked to end: unwinds the stack, so that ``finally`` blocks run."""
    raise SystemExit(128 + signal.SIGTERM)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # closed by the user's code


def _leave(code: int) -> NoReturn:
    """End as Python would: threads joined, exit functions run; without unwinding into the supervisor's stack."""
    try:
        import atexit
        import threading

        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  what Py_FinalizeEx calls first
        atexit._run_exitfuncs()  # noqa: SLF001  what Py_FinalizeEx calls next
    except BaseException:  # noqa: BLE001, S110  the end is reported; exit functions print their own errors
        pass
    _flush()
    os._exit(code)
