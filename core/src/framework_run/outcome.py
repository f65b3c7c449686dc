"""From a call of user code to its end: the same rules in a process of its own and inline."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from framework_run import ends
from framework_run.binding import BindingError, bind
from framework_run.loading import LoadError
from framework_run.packing import PackingError, StorageFailure, pack_return

if TYPE_CHECKING:
    from types import TracebackType

    from framework_run.context import Context


def call(function: Callable[..., Any], submission: dict[str, Any], context: Context) -> Any:
    """Bind, call (awaiting what has to be), and keep what is returned.

    A generator is run to its end, and its items are the value.
    """
    inputs = local_inputs(submission)
    args, kwargs = bind(function, context.params, submission.get("raw") or (), inputs, context)
    value = settle(function(*args, **kwargs))
    pack_return(context, value, submission.get("returns") or [])
    return value


def settle(value: Any) -> Any:
    """The value that a coroutine or generator comes to; any other as it is."""
    kind = type(value).__name__
    if kind == "coroutine":
        import asyncio

        return asyncio.run(value)
    return list(value) if kind == "generator" else value


def local_inputs(submission: dict[str, Any]) -> dict[str, str]:
    """The local paths of the inputs.

    Raises:
        InputMissing: One is not there.
    """
    import os

    paths = {}
    for name, place in (submission.get("inputs") or {}).items():
        paths[name] = place["path"]
        if not os.path.exists(place["path"]):
            raise InputMissing(f"the input {name!r} is {place['path']!r}, which is not there")
    return paths


class InputMissing(Exception):  # noqa: N818  a state of the world
    """An input that is not there."""


def ending(error: BaseException) -> ends.Ending:
    """The end that an exception means."""
    if isinstance(error, SystemExit):
        return _exit(error.code)
    if isinstance(error, BindingError):
        return ends.bad_input(str(error), advice="Give the parameters as the signature says.")
    if isinstance(error, LoadError):
        return ends.bad_input(str(error), advice=error.advice)
    if isinstance(error, InputMissing):
        return ends.bad_input(
            str(error), advice="Check the path; a relative one is relative to where it was submitted."
        )
    if isinstance(error, StorageFailure):
        return ends.backend(str(error), advice="Make room, or name another artifact path.")
    if isinstance(error, PackingError):
        return ends.user_error(
            str(error), advice="Return plain values or picklable objects, or write a file and return its path."
        )
    text = user_traceback(error)
    if isinstance(error, MemoryError):
        return ends.out_of_memory("MemoryError: an allocation was refused", traceback=text)
    advice = ""
    if isinstance(error, ModuleNotFoundError):
        advice = f"Add the distribution that has {error.name!r}: --requirement NAME, or PEP 723 metadata in the file."
    message = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    return ends.user_error(message[-1] if message else type(error).__name__, traceback=text, advice=advice)


def user_traceback(error: BaseException) -> str:
    """The traceback without the framework's own frames."""
    error.__traceback__ = _user_frames(error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _user_frames(trace: TracebackType | None) -> TracebackType | None:
    first = trace
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return trace or first


def _is_ours(trace: TracebackType) -> bool:
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    return name.startswith(("framework_run.", "importlib.", "asyncio.", "framework.")) or name == "importlib"


def _exit(code: Any) -> ends.Ending:
    if code is None or code == 0:
        return ends.completed("it called sys.exit(0)")
    if isinstance(code, int):
        return ends.user_error(
            f"it called sys.exit({code})", exit_code=code, advice="Look at its output for the reason."
        )
    return ends.user_error(f"it called sys.exit: {code}", exit_code=1)
