"""One encoding for the numbers that JSON cannot carry (docs/architecture.md, "Documents").

Integers beyond ±(2^53 − 1) become ``{"$int": "…"}``, NaN and infinities ``{"$float": "nan" | "inf" | "-inf"}``, and a
user's own mapping with a single key that begins with ``$`` becomes ``{"$map": [[key, value]]}``.
"""

from __future__ import annotations

import math
from typing import Any

MAX_SAFE = 2**53 - 1
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any) -> Any:
    """The value as JSON can carry it.

    Args:
        value: None, a bool, number or string, or lists, tuples and string-keyed mappings of them.

    Raises:
        TypeError: It has a part of another type, or a key that is no string.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return value if -MAX_SAFE <= value <= MAX_SAFE else {"$int": str(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$float": _name(value)}
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return encode(base(value))
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} has no JSON form")


def decode(value: Any) -> Any:
    """The value that `encode` was given."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, content),) = value.items()
        if key == "$int":
            return int(content)
        if key == "$float":
            return _FLOATS[content]
        if key == "$map":
            return {name: decode(item) for name, item in content}
    return {key: decode(item) for key, item in value.items()}


def _mapping(value: dict[Any, Any]) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} of a mapping is no string")
    if len(value) == 1:
        ((key, content),) = value.items()
        if key.startswith("$"):
            return {"$map": [[key, encode(content)]]}
    return {str(key): encode(item) for key, item in value.items()}


def _name(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"
