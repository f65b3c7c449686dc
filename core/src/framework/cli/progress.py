"""How far a run is, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from framework.cli.text import duration, one_line, value


def told(progress: Mapping[str, Any]) -> str:
    """``42/100 rows (42 %), 9.9 rows/s, 6 s left, epoch``; empty where nothing is known.

    Args:
        progress: The data of a progress event: done, total, unit, text, and rate a second.
    """
    from framework_run.numbers import decode

    done, total, rate = (decode(progress.get(name)) for name in ("done", "total", "rate"))
    if done is None:
        return ""
    unit, text = one_line(str(progress.get("unit") or "")), one_line(str(progress.get("text") or ""))
    parts = [f"{value(done, 20)}/{value(total, 20)}" if total else value(done, 20)]
    if unit:
        parts[0] += f" {unit}"
    if (share := share_of(progress)) is not None:
        parts[0] += f" ({share:.0%})".replace("%", " %")
    if is_number(rate) and rate > 0:
        parts.append(_rate(rate, unit))
        if is_number(done) and is_number(total) and total > done:
            parts.append(f"{duration((total - done) / rate)} left")
    return ", ".join([*parts, *([text] if text else [])])


def share_of(progress: Mapping[str, Any]) -> float | None:
    """How much of it is done, from 0 to 1; None where that cannot be told."""
    done: Any = progress.get("done")
    total: Any = progress.get("total")
    if not (is_number(done) and is_number(total)) or total <= 0:
        return None
    return float(min(max(done / total, 0.0), 1.0))


def bar(share: float, width: int = 10) -> str:
    """A bar of so many characters."""
    full = round(share * width)
    return "█" * full + "░" * (width - full)


def is_number(content: Any) -> bool:
    """Whether one can reckon with it."""
    return isinstance(content, (int, float)) and not isinstance(content, bool) and math.isfinite(content)


def _rate(rate: float, unit: str) -> str:
    """``9.9 rows/s``; what is slower than one a second is ``3 s`` each."""
    if rate < 1:
        return f"{duration(1 / rate)} each"
    return f"{rate:.3g} {unit}/s" if unit else f"{rate:.3g}/s"
