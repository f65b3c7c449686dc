"""How far a run is, said at most so often, with its rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from operator import length_hint
from typing import Any, Final, TypeVar

from framework_run import numbers

T = TypeVar("T")
_EVERY: Final = 0.1  # seconds between two events; the last one is always sent


class Progress:
    """Sends the progress of one run.

    Args:
        send: Takes the data of a progress event.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._sent = float("-inf")
        self._begun = 0.0
        self._first: float | None = None  # what was done when this series began
        self._last: float = 0
        self._total: float | None = None

    def say(self, done: float, total: float | None = None, unit: str = "", text: str = "") -> None:
        """Send it, if it is time; see `framework_run.context.Context.progress`."""
        now = time.monotonic()
        if now - self._sent < _EVERY and done != total:
            return
        self._sent = now
        data: dict[str, Any] = {"done": done, "total": total, "unit": unit, "text": text}
        rate = self._rate(done, total, now) if isinstance(done, (int, float)) else None
        if rate is not None:
            data["rate"] = rate
        self._send({name: numbers.encode(part) for name, part in data.items()})

    def over(self, items: Iterable[T], total: float | None, unit: str, text: str) -> Iterator[T]:
        """The items, with a word after each."""
        hint = length_hint(items, -1) if total is None else -1
        whole = total if hint < 0 else hint
        done = 0
        self._sent = float("-inf")
        self.say(0, whole, unit, text)
        try:
            for item in items:
                yield item
                done += 1
                self.say(done, whole, unit, text)
        finally:
            if done != whole:  # it was left, or nobody knew how many there are
                self._sent = float("-inf")
                self.say(done, whole, unit, text)

    def _rate(self, done: float, total: float | None, now: float) -> float | None:
        """How much a second since the series began; a new one begins with less done, or another total."""
        if self._first is None or done < self._last or total != self._total:
            self._begun, self._first, self._total = now, done, total
        self._last = done
        return (done - self._first) / (now - self._begun) if done > self._first and now > self._begun else None
