"""How times, sizes and values are written for people."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from framework.errors import UsageError

_UNITS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")
_BARS: Final = "▁▂▃▄▅▆▇█"


def moment(seconds: float | None) -> str:
    """A time in the local zone: ``2026-11-24 09:16:44``; ``-`` when there is none."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float | None) -> str:
    """A span of time: ``12 ms``, ``2.3 s``, ``2 min 5 s``, ``3 h 4 min``; ``-`` when there is none."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:  # noqa: PLR2004  what would be rounded to 1000 ms is a second
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:  # noqa: PLR2004  likewise 60.0 s
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"  # noqa: PLR2004


def size(count: float | None) -> str:
    """A number of bytes: ``512 B``, ``1.5 MiB``; ``-`` when there is none."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def value(content: object, limit: int = 60) -> str:
    """A parameter or result on one line, cut at ``limit`` characters."""
    if isinstance(content, bool) or content is None:
        text = json.dumps(content)
    elif isinstance(content, float):
        text = f"{content:.6g}"
    elif isinstance(content, str):
        text = content
    else:
        text = json.dumps(content, ensure_ascii=False, default=str)
    return clip(one_line(text), limit)


def one_line(text: str) -> str:
    """The text with control characters written out, so that it keeps to its line and cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def clip(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis, in at most ``limit`` characters."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def pairs(mapping: dict[str, Any], limit: int = 60) -> str:
    """A mapping on one line: ``accuracy=0.93 loss=0.2``, cut at ``limit`` characters."""
    return clip(" ".join(f"{key}={value(content, 24)}" for key, content in mapping.items()), limit)


def sparkline(values: Sequence[float], width: int = 30) -> str:
    """The course of a series in at most ``width`` block characters; values that are not finite are left out."""
    finite = [number for number in values if math.isfinite(number)]
    if not finite:
        return ""
    count = min(width, len(finite))
    bins = [finite[index * len(finite) // count] for index in range(count - 1)] + [finite[-1]]
    low, high = min(bins), max(bins)
    if high == low:
        return _BARS[0] * count
    half = (high / 2 - low / 2) or 1.0  # halved, because the span of two floats can be infinite
    return "".join(_BARS[min(int((number / 2 - low / 2) / half * len(_BARS)), len(_BARS) - 1)] for number in bins)


def seconds(text: str) -> float:
    """A span in seconds from ``90``, ``30s``, ``5m``, ``1h30m``, ``2d``.

    Raises:
        UsageError: It is none of these.
    """
    stripped = text.strip().lower()
    try:
        number = float(stripped)
    except ValueError:
        number = sum(float(amount) * _UNITS[unit] for amount, unit in _SPAN.findall(stripped))
        if not stripped or _SPAN.sub("", stripped).strip():
            number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise UsageError(
            f"{text!r} is not a span of time", advice="Write 90 (seconds), 30s, 5m, 1h30m or 2d."
        ) from None
    return number


def point_in_time(text: str) -> float:
    """Seconds since the epoch from ``2d`` (ago) or an ISO date or time (local unless it says a zone).

    Raises:
        UsageError: It is neither.
    """
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return time.time() - seconds(text)
    except UsageError:
        raise UsageError(
            f"{text!r} is neither a time nor a span of time", advice="Write 1h, 2d, 2026-11-24 or 2026-11-24T09:30."
        ) from None
