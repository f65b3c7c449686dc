"""What a kind of runtime gives its handlers beside: attributes of the context, made when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_run.context import Context


def extension(context: Context, name: str) -> Any:
    """What a name of the submission's ``extensions`` stands for.

    Args:
        context: Its submission's ``extensions`` is name to target; the target is called without arguments.
        name: The attribute that was asked for.

    Raises:
        AttributeError: There is none of that name.
    """
    if name.startswith("_"):  # a slot that is not filled yet
        raise AttributeError(name)
    submission: Mapping[str, Any] = context._submission  # noqa: SLF001  a part of the context, in a module of its own
    target = (submission.get("extensions") or {}).get(name)
    if target is None:
        raise AttributeError(f"the context has no {name!r} in this kind of run")
    from framework_run.targets import resolve

    return resolve(target)()
