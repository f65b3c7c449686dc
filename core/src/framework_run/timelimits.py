"""How long a run may take until its code begins, and from there to its end."""

from __future__ import annotations

import time
from typing import Any

from framework_run import ends

_NEVER = float("inf")


class TimeLimits:
    """The limits of time of one attempt, counted by the clock that is never set.

    Args:
        timeouts: The submission's: ``pending``, ``run`` and ``grace``, in seconds; None, or left out, is no limit.
    """

    def __init__(self, timeouts: dict[str, Any]) -> None:
        self.grace = 10.0 if timeouts.get("grace") is None else float(timeouts["grace"])
        self._pending: float | None = timeouts.get("pending")
        self._run: float | None = timeouts.get("run")
        self._created = time.monotonic()
        self._began: float | None = None

    def begin(self) -> None:
        """The user's code begins now."""
        self._began = time.monotonic()

    @property
    def next(self) -> float:
        """The moment at which the limit that counts now is reached, on the monotonic clock."""
        if self._began is None:
            return _NEVER if self._pending is None else self._created + self._pending
        return _NEVER if self._run is None else self._began + self._run

    def end(self) -> ends.Ending:
        """The end of a run that has reached it."""
        if self._began is None:
            return ends.pending_timeout(self._pending or 0.0)
        return ends.timeout(self._run or 0.0)
