"""Canonical JSON, the JSON Canonicalization Scheme of RFC 8785: one sequence of bytes for equal documents.

Written here and not taken from a library because the C encoder of the standard library does the bulk of it, which a
tree of 10,000 files needs; the tests compare it with the `rfc8785` library.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from framework_run.numbers import MAX_SAFE

_encode_fast = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: Any) -> bytes:
    """The value as canonical JSON.

    Args:
        value: A JSON value; numbers that JSON cannot carry must be encoded (`framework.documents.numbers`).

    Raises:
        TypeError: A part of it has no JSON form.
        ValueError: An integer beyond ±(2^53 - 1), an infinity or NaN, or half of a surrogate pair in a text.
    """
    return _write(value).encode("utf-8")


def digest(value: Any) -> str:
    """``sha256:…`` of the value's canonical JSON; errors as `canonical`."""
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


def _write(value: Any) -> str:
    if isinstance(value, dict):
        if _is_plain(value):
            return _encode_fast(value)
        members = sorted(value.items(), key=_utf16)
        return "{" + ",".join(f"{_encode_fast(key)}:{_write(item)}" for key, item in members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_write, value)) + "]"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int) and not -MAX_SAFE <= value <= MAX_SAFE:
        raise ValueError(f"{value} is beyond what every reader of JSON has exactly")
    return _encode_fast(value)


def _is_plain(value: dict[str, Any]) -> bool:
    """Whether the standard encoder writes it the same: texts only, and keys that sort alike in UTF-8 and UTF-16."""
    return set(map(type, value.values())) <= {str} and set(map(type, value)) <= {str} and all(map(str.isascii, value))


def _utf16(member: tuple[str, Any]) -> bytes:
    # RFC 8785, section 3.2.3: members are sorted by the UTF-16 code units of their names.
    if not isinstance(member[0], str):
        raise TypeError(f"the key {member[0]!r} of a mapping is no string")
    return member[0].encode("utf-16-be")


def number(value: float) -> str:
    """A double as ECMAScript writes it (ECMA-262, Number::toString), which RFC 8785, section 3.2.2.3, asks for.

    Python's ``repr`` has the same shortest digits, in another layout.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    if value == 0:
        return "0"
    if value < 0:
        return "-" + number(-value)
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = whole + fraction
    significant = padded.lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(padded) - len(significant))
    return _layout(significant.rstrip("0"), point)


def _layout(digits: str, point: int) -> str:
    """Digits with the decimal point behind ``point`` of them; the bounds are ECMA-262's."""
    if len(digits) <= point <= 21:  # noqa: PLR2004
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:  # noqa: PLR2004
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:  # noqa: PLR2004
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
