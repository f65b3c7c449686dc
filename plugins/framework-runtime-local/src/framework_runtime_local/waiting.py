"""Waiting for a supervisor's next event: by its wake pipe where this process started it, else by looking."""

from __future__ import annotations

import os
import select
import time
from typing import ClassVar

_SHORTEST, _LONGEST = 0.02, 0.25  # seconds between two looks
_SAY = 0.5  # seconds after which the follower is given a turn


class Waiter:
    """Waits for one run.

    Args:
        uid: The run.
    """

    _pipes: ClassVar[dict[str, int]] = {}

    @classmethod
    def expect(cls, uid: str, reader: int) -> None:
        """Keep the read end of a run's wake pipe until somebody follows it."""
        cls._pipes[uid] = reader

    def __init__(self, uid: str) -> None:
        self._pipe = self._pipes.pop(uid, None)
        self._pause = _SHORTEST
        self._said = time.monotonic()

    def wait(self) -> bool:
        """Wait for a wake-up or a moment; True when the follower should be given a turn."""
        if self._pipe is None:
            time.sleep(self._pause)
            self._pause = min(self._pause * 1.5, _LONGEST)
        else:
            ready, _, _ = select.select([self._pipe], [], [], _SAY)
            if ready and not os.read(self._pipe, 4096):
                self.close()  # the supervisor has gone
        now = time.monotonic()
        if now - self._said < _SAY:
            return False
        self._said = now
        return True

    def close(self) -> None:
        """Let go of the pipe."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
