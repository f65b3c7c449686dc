"""The neutral slot: where the facade and an installed framework both find the current context."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from framework_run.context import Context

_current: ContextVar[Context | None] = ContextVar("framework_context", default=None)
_active: dict[int, Context] = {}  # those of this process that have not ended, by id
_process: list[Context] = []


def current() -> Context | None:
    """The context that was set for this code; None where none was.

    A thread that was started in an inline run has no context variable of its own: it belongs to the run that is active,
    if only one is.
    """
    found = _current.get()
    if found is not None:
        return found
    if _process:
        return _process[0]
    return next(iter(_active.values()), None) if len(_active) == 1 else None


def set_current(context: Context) -> Token[Context | None]:
    """Make a context the current one of this thread or task, until `reset`."""
    _active[id(context)] = context
    return _current.set(context)


def reset(token: Token[Context | None]) -> None:
    """Undo `set_current`."""
    context = _current.get()
    _current.reset(token)
    if context is not None:
        _active.pop(id(context), None)


def set_process(context: Context) -> None:
    """Make a context that of the whole process, threads included."""
    for before in _process:
        _active.pop(id(before), None)
    _process[:] = [context]
    _active[id(context)] = context


def active() -> Iterable[Context]:
    """Every context of this process that has not ended."""
    return list(_active.values())
