"""Values as JSON can carry them."""

from __future__ import annotations

import sys
from typing import Any

from framework_run import numbers


def plain(value: Any) -> Any:
    """The value as JSON can carry it, numbers encoded as everywhere.

    numpy's scalars become numbers, an Enum its value, a date its ISO 8601 text, a timedelta its seconds, a Decimal,
    UUID or path its text, a dataclass a mapping, a named tuple a list; numbers as keys of a mapping become text.

    Args:
        value: Any object.

    Raises:
        TypeError: A part of it has no such form; the message names its class.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int or kind is float:
        return numbers.encode(value)
    try:
        return numbers.encode(_simple(value))
    except RecursionError:
        raise TypeError(f"a {kind.__qualname__} that is nested too deep, or holds itself") from None


def _simple(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return _scalar(value)
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value]
    if isinstance(value, dict):
        return {_name(key): _simple(item) for key, item in value.items()}
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):
        return {name: _simple(getattr(value, name)) for name in fields}
    return _other(value)


def _scalar(value: Any) -> Any:
    """A subclass such as ``IntEnum`` or ``numpy.float64`` becomes what it is a kind of."""
    for base in (bool, int, float, str):
        if isinstance(value, base):
            inner = getattr(value, "value", value) if _is_enum(value) else value
            return base(inner)
    return value


def _other(value: Any) -> Any:
    if _is_enum(value):
        return _simple(value.value)
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        inner = value.item()  # numpy's scalars, and arrays of no dimension
        if type(inner) is not type(value):
            return _simple(inner)
    if callable(getattr(value, "isoformat", None)):
        return value.isoformat()
    if callable(getattr(value, "total_seconds", None)):
        return float(value.total_seconds())
    if _is_of(value, "decimal", "Decimal") or _is_of(value, "uuid", "UUID") or hasattr(value, "__fspath__"):
        return str(value)
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise TypeError(f"{name} has no JSON form")


def _name(key: Any) -> str:
    """A key as text."""
    if isinstance(key, (str, bool, int, float)) or _is_enum(key):
        simple = _scalar(key) if isinstance(key, (str, bool, int, float)) else key.value
        return str(simple)
    if getattr(key, "shape", None) == () and callable(getattr(key, "item", None)):
        return str(key.item())
    raise TypeError(f"the key {key!r} of a mapping is no text")


def _is_enum(value: Any) -> bool:
    return _is_of(value, "enum", "Enum")


def _is_of(value: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class of the standard library, which need not be imported."""
    found = sys.modules.get(module)
    return found is not None and isinstance(value, getattr(found, name))
