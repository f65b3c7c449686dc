"""The handler process: loads the user's code, calls it, reports to the supervisor, and leaves."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

from framework_run import ends, slot
from framework_run.calling import arguments, params_of, settle
from framework_run.channel import Channel
from framework_run.context import Context
from framework_run.loading import folder_of, load, prepare_path


class _Terminated(SystemExit):
    """Raised where the code stands when SIGTERM comes, so that its ``finally`` blocks run."""


terminated: list[int] = []


def run(submission: dict[str, Any], channel_fd: int, scratch: str) -> NoReturn:
    """Run a submission's handler in this process, and end the process.

    Called in a process of its own that leads its session, with its output redirected, the submission's environment and
    folder in place, and signals at their defaults. What it says on the channel is its end: ``returned`` when everything
    is packed and sent, threads are joined and exit functions have run; ``raised`` before that, as soon as it is known.

    Args:
        submission: The whole submission.
        channel_fd: The channel's write end.
        scratch: A folder of this run's own, which the supervisor removes.
    """
    pid = os.getpid()
    channel = Channel(channel_fd, submission["token"])
    catch_signals()
    open_streams()
    submission = {**submission, "params": params_of(submission)}
    context = Context(submission, channel.send)
    slot.set_process(context)
    end = call(lambda: handler_of(submission["code"], scratch), submission, context, pid)
    completed = end["state"] == "completed"
    if not completed and not terminated:
        say(channel, "raised", {**end, "pid": os.getpid()})  # a child that the code forked may be here too
    finish(context)
    if terminated and not completed:
        die(signal.SIGTERM)  # the supervisor knows whether it has sent it
    if completed:
        say(channel, "returned", {**end, "pid": os.getpid()})
    os._exit(0 if completed else end.get("exit_code") or 1)


def handler_of(code: dict[str, Any], scratch: str) -> Callable[..., Any]:
    """Import the user's code as a script's of its folder would be, and find the handler.

    Args:
        code: The submission's ``code``.
        scratch: A folder of this run's own.

    Raises:
        LoadingError: As `framework_run.loading.load`.
    """
    folder = folder_of(code, scratch)
    prepare_path(folder)
    sys.argv[:] = [os.path.join(folder, code.get("file") or code["module"])]  # noqa: PTH118  pathlib is slow to import
    return load(code, folder)


def call(
    found: Callable[[], Callable[..., Any]], submission: dict[str, Any], context: Context, pid: int
) -> dict[str, Any]:
    """Everything from the import, by ``found``, to the keeping of what is returned in this process; and its end."""
    try:
        function = found()
        args, keywords = arguments(function, submission, context)
        value = settle(function(*args, **keywords))
        if os.getpid() == pid:  # else a child that the code forked and let come back here
            context.keep_returned(value, submission.get("returns") or ())
            context.flush()
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the end
        from framework_run.outcome import ending

        end = ending(error)
        if end["state"] != "completed" and not isinstance(error, _Terminated):
            _print(error, end)
        return end
    return ends.completed()


def _print(error: BaseException, end: dict[str, Any]) -> None:
    """Say it in the log, where people look for it, as Python would; the text of ``sys.exit`` too."""
    if isinstance(error, SystemExit):
        text = "" if isinstance(error.code, int) else f"{error.code}\n"
    else:
        from framework_run.outcome import user_traceback

        text = end.get("traceback") or user_traceback(error) or f"{end.get('cause')}: {error}\n"
    try:
        sys.stderr.write(text)
    except (OSError, ValueError):
        return  # the user's code has closed it


def catch_signals() -> None:
    """SIGTERM unwinds the stack here; a child of the user's, such as a worker of a pool, dies of it as without us."""
    only = {signal.SIGTERM}

    def terminate(_number: int, _frame: FrameType | None) -> None:
        terminated.append(signal.SIGTERM)
        raise _Terminated(128 + signal.SIGTERM)

    def in_child() -> None:
        if signal.getsignal(signal.SIGTERM) is terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, only)

    signal.signal(signal.SIGTERM, terminate)
    # Held back while it forks: one that came to the child before its handler is put back would be lost.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, only),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, only),
        after_in_child=in_child,
    )


def open_streams() -> None:
    """Standard output by lines, so that it can be followed, and of any text, so that no print fails.

    The streams are made anew: those of the supervisor may have been a file's, which can be sought, and now there is a
    pipe.
    """
    for name, fd in (("stdout", 1), ("stderr", 2)):
        errors = "surrogateescape" if name == "stdout" else "backslashreplace"
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115  for good
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def say(channel: Channel, kind: str, data: dict[str, Any]) -> None:
    """Send a word to the supervisor, if it is there."""
    try:
        channel.send(kind, data)
    except OSError:
        return  # the supervisor has gone, and the kernel ends this process


def finish(context: Context) -> None:
    """End as Python would: threads joined, exit functions run, buffers written; not through the supervisor's stack."""
    import atexit
    import threading

    # The first two are what Py_FinalizeEx calls.
    _carefully(threading._shutdown)  # type: ignore[attr-defined]  # noqa: SLF001
    _carefully(atexit._run_exitfuncs)  # noqa: SLF001
    _carefully(context.flush)
    flush()


def flush() -> None:
    """Write what is buffered."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed or replaced by the user's code
            stream.flush()


def _carefully(step: Callable[[], object]) -> None:
    """The end is known already: what goes wrong here is said, and no more."""
    try:
        step()
    except SystemExit:
        return
    except BaseException as error:  # noqa: BLE001  whatever an exit function raises
        from framework_run.outcome import ending

        _print(error, ending(error))


def die(number: int) -> NoReturn:
    """Die of a signal, as the process would have without our handler of it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
