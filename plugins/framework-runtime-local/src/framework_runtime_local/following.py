"""How a follower waits: woken by the supervisor where it has started it, else by looking now and then."""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import Final

_FIRST: Final = 0.02  # seconds between two looks at first
_LONGEST: Final = 0.25  # and at most
_SAY: Final = 0.5  # seconds after which the caller gets an empty batch


class Waker:
    """Waits for a byte on a pipe, or for a while that grows.

    Args:
        reader: The pipe's read end; -1 where nobody wakes.
        writer: The end that the supervisor gets; likewise.
    """

    def __init__(self, reader: int = -1, writer: int = -1) -> None:
        self._reader = reader
        self.writer = writer
        self.awake()

    @classmethod
    def piped(cls) -> Waker:
        """One with a pipe."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        return cls(reader, writer)

    def started(self) -> None:
        """The supervisor has its end of the pipe: ours is closed, so that its death is seen."""
        os.close(self.writer)
        self.writer = -1

    def awake(self) -> None:
        """Something has been read: the next look is soon."""
        self._pause = _FIRST
        self._said = time.monotonic()

    def wait(self) -> bool:
        """Wait for the next look.

        Returns:
            Whether it is time to let the caller look at the clock.
        """
        if self._reader >= 0:
            self._listen()
        else:
            time.sleep(self._pause)
            self._pause = min(_LONGEST, self._pause * 1.5)
        if time.monotonic() - self._said < _SAY:
            return False
        self._said = time.monotonic()
        return True

    def close(self) -> None:
        """Let go of the pipe."""
        for fd in (self._reader, self.writer):
            if fd >= 0:
                os.close(fd)
        self._reader = self.writer = -1

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if not poll.poll(_SAY * 1000):
            return
        with contextlib.suppress(BlockingIOError):
            if not os.read(self._reader, 65_536):  # its end is closed: from now on we look ourselves
                self.close()
