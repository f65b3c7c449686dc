"""What user code may ask of ``framework`` where it is not installed: the decorator and the context.

This package lies last on the path of a run, so that an installed framework comes first.
"""

from __future__ import annotations

from typing import Any

from framework_run.context import Context

__all__ = ["Context", "context", "function"]


def context() -> Context:
    """The context of the run that this code belongs to.

    Raises:
        LookupError: There is none.
    """
    from framework_run import slot

    found = slot.current()
    if found is None:
        raise LookupError("no run is going on here")
    return found


def function(*args: Any, **_options: Any) -> Any:
    """Mark a function; it stays as it is."""
    if args and callable(args[0]):
        return args[0]
    return lambda handler: handler


def __getattr__(name: str) -> Any:
    raise AttributeError(f"framework.{name} needs the whole package here: pip install framework-core")
