"""Values as source text."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from attrs import frozen


@frozen
class Literal:
    """The source text of a value, and the imports that it needs."""

    text: str
    imports: frozenset[str] = frozenset()


def write(value: Any) -> Literal | None:
    """The value as source text; None where a literal cannot make it again.

    Args:
        value: None, a bool, number, text or bytes; tuples, lists, sets and dictionaries of such; a path, a logger, or a
            compiled regular expression.
    """
    if isinstance(value, PurePath):
        return Literal(f"pathlib.{_path_class(value)}({str(value)!r})", frozenset({"import pathlib"}))
    if isinstance(value, logging.Logger):
        return Literal(f"logging.getLogger({value.name!r})", frozenset({"import logging"}))
    if isinstance(value, re.Pattern):
        return Literal(f"re.compile({value.pattern!r}, {int(value.flags)})", frozenset({"import re"}))
    try:
        return Literal(_plain(value))
    except (TypeError, RecursionError):
        return None


def _plain(value: Any) -> str:
    writer = _WRITERS.get(type(value))  # exactly: of a subclass, a literal would lose what it adds
    if writer is None:
        raise TypeError
    return writer(value)


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float({str(value)!r})"


def _tuple(value: tuple[Any, ...]) -> str:
    return f"({', '.join(map(_plain, value))}{',' if len(value) == 1 else ''})"


def _set(value: Any) -> str:
    # Sorted, because the order of a set differs from process to process.
    inner = ", ".join(sorted(map(_plain, value)))
    return f"{type(value).__name__}([{inner}])"


def _dict(value: dict[Any, Any]) -> str:
    return "{" + ", ".join(f"{_plain(key)}: {_plain(item)}" for key, item in value.items()) + "}"


def _path_class(value: PurePath) -> str:
    name = type(value).__name__
    return "Path" if name in {"PosixPath", "WindowsPath"} else name


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): repr,
    bool: repr,
    int: repr,
    float: _float,
    complex: repr,
    str: repr,
    bytes: repr,
    tuple: _tuple,
    list: lambda value: f"[{', '.join(map(_plain, value))}]",
    set: _set,
    frozenset: _set,
    dict: _dict,
}
