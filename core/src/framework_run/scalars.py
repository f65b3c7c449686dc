"""Values that become numbers, texts and truths: all that most handlers need, so apart from other conversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
NONE: Final = frozenset({"none", "null"})
"""What stands for None in text."""


class ConversionError(ValueError):
    """A value that is not what the annotation says; the text names the value and the type that is wanted."""


def scalar_of(text: Any) -> Any:
    """Text without an annotation: a JSON scalar where it is one, else the text."""
    if not isinstance(text, str):
        return text
    import json

    try:
        value = json.loads(text, parse_constant=str)  # NaN and Infinity are no JSON: they stay text
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, (list, dict)) else value


def wrong(value: Any, annotation: Any, why: str = "") -> ConversionError:
    """The error of a value that is not of a type."""
    from framework_run.annotations import name_of, shown

    article = "an" if name_of(annotation)[:1].lower() in "aeio" else "a"
    return ConversionError(f"{shown(value)} is not {article} {name_of(annotation)}{why}")


def _to_bool(value: Any, raw: bool) -> bool:
    if isinstance(value, bool):
        return value
    if raw and isinstance(value, str):
        if value.strip().lower() in _TRUE:
            return True
        if value.strip().lower() in _FALSE:
            return False
        raise wrong(value, bool, " (true, false, yes, no)")
    raise wrong(value, bool)


def _to_int(value: Any, raw: bool) -> int:
    if type(value) is int:
        return value
    if raw and isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise wrong(value, int) from None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, (bool, float, str)) and hasattr(value, "__index__"):
        return int(value.__index__())  # numpy's integers
    raise wrong(value, int)


def _to_float(value: Any, raw: bool) -> float:
    if type(value) is float:
        return value
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if numeric or (raw and isinstance(value, str)) or _is_number(value):
        try:
            return float(value)
        except (ValueError, OverflowError):
            raise wrong(value, float) from None
    raise wrong(value, float)


def _is_number(value: Any) -> bool:
    """Whether it is a number of a library, such as ``numpy.float32``."""
    return not isinstance(value, (bool, str)) and hasattr(value, "__float__") and getattr(value, "shape", ()) == ()


def _to_str(value: Any, _raw: bool) -> str:
    if isinstance(value, str):
        return value
    raise wrong(value, str)


def _to_bytes(value: Any, _raw: bool) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return value
    raise wrong(value, bytes)


def _to_complex(value: Any, raw: bool) -> complex:
    if isinstance(value, (int, float, complex)) and not isinstance(value, bool):
        return complex(value)
    if isinstance(value, str):
        try:
            return complex(value)
        except ValueError:
            raise wrong(value, complex) from None
    return complex(_to_float(value, raw))


def _to_none(value: Any, raw: bool) -> None:
    if value is not None and not (raw and str(value).strip().lower() in NONE):
        raise wrong(value, type(None))


SCALARS: Final[dict[type, Callable[[Any, bool], Any]]] = {
    bool: _to_bool,
    int: _to_int,
    float: _to_float,
    str: _to_str,
    bytes: _to_bytes,
    complex: _to_complex,
    type(None): _to_none,
}
"""What makes a value of each of these types: takes the value, and whether it is text to be parsed."""
