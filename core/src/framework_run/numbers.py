"""One encoding for the numbers that JSON cannot carry (docs/architecture.md, "Documents").

Integers beyond ±(2^53 - 1) become ``{"$int": "…"}``, NaN and infinities ``{"$float": "nan" | "inf" | "-inf"}``, and a
user's own mapping with a single key that begins with ``$`` becomes ``{"$map": [[key, value]]}``.
"""

from __future__ import annotations

from typing import Any

MAX_SAFE = 2**53 - 1
_INFINITE = float("inf")
_FLOATS = {"nan": float("nan"), "inf": _INFINITE, "-inf": -_INFINITE}


def encode(value: Any) -> Any:
    """The value as JSON can carry it.

    Args:
        value: None, a bool, number or string, or lists, tuples and string-keyed mappings of them.

    Raises:
        TypeError: It has a part of another type, a key that is no string, or is nested too deeply (or in itself).
    """
    try:
        return _encode(value)
    except RecursionError:
        raise TypeError("the value is nested too deeply, or contains itself: it has no JSON form") from None


def decode(value: Any) -> Any:
    """The value that `encode` was given.

    Raises:
        ValueError: A ``$int``, ``$float`` or ``$map`` has a content that `encode` never writes.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, content),) = value.items()
        if key in _DECODERS:
            return _decode_one(key, content)
    return {key: decode(item) for key, item in value.items()}


def _encode(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return value if -MAX_SAFE <= value <= MAX_SAFE else _integer(value)
    if kind is float:
        return value if -_INFINITE < value < _INFINITE else {"$float": _name(value)}
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    return _of_subclass(value)


def _mapping(value: dict[Any, Any]) -> dict[str, Any]:
    if len(value) == 1:
        ((key, content),) = value.items()
        if isinstance(key, str) and key.startswith("$"):
            return {"$map": [[_text(key), _encode(content)]]}
    encoded = {}
    for key, item in value.items():
        if type(key) is str:
            encoded[key] = item if type(item) is str else _encode(item)
        elif isinstance(key, str):
            encoded[_text(key)] = _encode(item)
        else:
            raise TypeError(f"the key {key!r} of a mapping is no string")
    return encoded


def _of_subclass(value: Any) -> Any:
    """Of an enum with a scalar's type, numpy's float64 and the like: the scalar."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _encode(int.__int__(value))
    if isinstance(value, float):
        return _encode(float.__float__(value))
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no JSON form")


def _text(value: str) -> str:
    """The plain text: ``str()`` of an enum's member would be its name."""
    return str.__str__(value)


def _integer(value: int) -> dict[str, str]:
    try:
        return {"$int": str(value)}
    except ValueError:
        raise TypeError(f"an integer of {value.bit_length():,} bits has too many digits for a JSON form") from None


def _name(value: float) -> str:
    if value != value:  # noqa: PLR0124  NaN alone differs from itself
        return "nan"
    return "inf" if value > 0 else "-inf"


def _decode_one(key: str, content: Any) -> Any:
    try:
        return _DECODERS[key](content)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{{{key!r}: {content!r}}} is no encoded number or mapping") from None


def _decode_integer(content: Any) -> int:
    if not isinstance(content, str):
        raise TypeError
    return int(content)


def _decode_mapping(content: Any) -> dict[str, Any]:
    ((name, item),) = content
    return {name: decode(item)}


_DECODERS = {"$int": _decode_integer, "$float": _FLOATS.__getitem__, "$map": _decode_mapping}
