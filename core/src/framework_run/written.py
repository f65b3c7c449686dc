"""Classes of the standard library that have one written form: dates and times, paths, UUIDs, Decimals.

They are known by their names, so that none of their modules is imported for a handler that does not use it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, Final

from framework_run.annotations import shown
from framework_run.scalars import ConversionError

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_CLOCK: Final = re.compile(r"(?:(?P<days>-?\d+) days?, )?(?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d(?:\.\d{1,6})?)")
_PARTS: Final = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)\s*)+")


def has_form(annotation: type) -> bool:
    """Whether `parse` knows the class."""
    return _name(annotation) in _FORMS or _is_path(annotation)


def parse(value: Any, annotation: type) -> Any:
    """The object that a text is the form of.

    Args:
        value: The text; for a timedelta also a number of seconds, for a Decimal also a number.
        annotation: The class.

    Raises:
        ConversionError: It is no such form.
    """
    if _is_path(annotation):
        if isinstance(value, str) or hasattr(value, "__fspath__"):
            return annotation(value)
        raise ConversionError(f"{shown(value)} is no path")
    make, example = _FORMS[_name(annotation)]
    try:
        return make(value, annotation)
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        article = "an" if annotation.__name__[0] in "aeiou" else "a"
        raise ConversionError(f"{shown(value)} is not {article} {annotation.__name__} (such as {example})") from None


def _iso(value: Any, annotation: Any) -> Any:
    # Before Python 3.11, fromisoformat does not know Z.
    text = f"{value[:-1]}+00:00" if value.endswith(("Z", "z")) else value
    return annotation.fromisoformat(text)


def _decimal(value: Any, annotation: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError
    return annotation(repr(value) if isinstance(value, float) else value)


def _text(value: Any, annotation: Any) -> Any:
    if not isinstance(value, str):
        raise TypeError
    return annotation(value)


def _timedelta(value: Any, annotation: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, (int, float)):
        return annotation(seconds=value)
    text = value.strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = clock.groups()
        whole, _, part = seconds.partition(".")
        return annotation(
            days=int(days or 0),
            hours=int(hours),
            minutes=int(minutes),
            seconds=int(whole),
            microseconds=int(part.ljust(6, "0") or 0),
        )
    if _PARTS.fullmatch(text):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", text)
        return annotation(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    return annotation(seconds=float(text))


_FORMS: Final[dict[str, tuple[Callable[[Any, Any], Any], str]]] = {
    "datetime.datetime": (_iso, "2026-01-31T12:00:00"),
    "datetime.date": (_iso, "2026-01-31"),
    "datetime.time": (_iso, "12:00:00"),
    "datetime.timedelta": (_timedelta, "90, 90s, 1h30m, 1:30:00"),
    "decimal.Decimal": (_decimal, "0.1"),
    "fractions.Fraction": (_decimal, "1/3"),
    "uuid.UUID": (_text, "01234567-89ab-cdef-0123-456789abcdef"),
}


def _name(annotation: type) -> str:
    return f"{annotation.__module__}.{annotation.__qualname__}"


def _is_path(annotation: type) -> bool:
    pathlib = sys.modules.get("pathlib")
    return pathlib is not None and issubclass(annotation, pathlib.PurePath)
