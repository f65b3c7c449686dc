"""`framework.context`."""

from __future__ import annotations

from typing import Any

from framework_run.context import Context
from framework_run.current import current


def context() -> Context:
    """The context of the run that this code belongs to.

    Outside of a run it is one that keeps nothing, so that a handler can be called as it is.
    """
    return current() or Context({"run": {"uid": "", "name": "", "project": ""}}, _nowhere)


def _nowhere(_kind: str, _data: dict[str, Any], _child: str | None = None) -> None:
    """Outside of a run there is nobody to tell."""
