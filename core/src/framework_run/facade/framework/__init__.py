"""What a handler may ask of ``framework`` where it is not installed: the decorator and the context.

This package lies last on the path of a run, so that an installed framework comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework_run.context import Context
from framework_run.current import get as context
from framework_run.errors import NonRetryable

__all__ = ["Context", "NonRetryable", "context", "function"]


def function(target: Any = None, /, **options: Any) -> Any:
    """Mark a function; it stays the same function object.

    Args:
        target: The function; without it, a decorator is returned.
        options: What the Function is to be, kept as its attribute ``framework_options``.
    """

    def mark(handler: Callable[..., Any]) -> Callable[..., Any]:
        handler.framework_options = options  # type: ignore[attr-defined]
        return handler

    if target is None:
        return mark
    if callable(target):
        return mark(target)
    raise AttributeError(_missing("function of a file, folder or URI"))


def _missing(name: str) -> str:
    return f"framework: {name} needs the whole framework in this environment: pip install framework-core"


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'framework' has no attribute {name!r}")
    raise AttributeError(_missing(name))
