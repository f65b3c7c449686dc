"""What a kind of runtime gives its handlers beside: attributes of the context, made when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def extension(extensions: Mapping[str, str], name: str) -> Any:
    """What a name of the submission's ``extensions`` stands for.

    Args:
        extensions: Name to target; the target is called without arguments.
        name: The attribute that was asked for.

    Raises:
        AttributeError: There is none of that name.
    """
    target = extensions.get(name)
    if target is None:
        raise AttributeError(f"the context has no {name!r} in this kind of run")
    from framework_run.targets import resolve

    return resolve(target)()
