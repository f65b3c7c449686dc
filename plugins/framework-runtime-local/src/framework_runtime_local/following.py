"""How a follower reads and waits: woken by the supervisor where it has started it, else by looking now and then."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path
from typing import Final

from framework_run import eventfile
from framework_run.events import Event

_FIRST: Final = 0.02  # seconds between two looks at first
_LONGEST: Final = 0.25  # and at most
_SAY: Final = 0.5  # seconds after which the caller gets an empty batch


class Waker:
    """Waits for a byte on a pipe, or for a while that grows, and has the event file open.

    It is closed when nobody has it any more: somebody else may tidy up after a run that a thread still follows, which
    so reads the events to the last.

    Args:
        events: The event file.
        reader: The pipe's read end; -1 where nobody wakes.
        writer: The end that the supervisor gets; likewise.
    """

    def __init__(self, events: Path, reader: int = -1, writer: int = -1) -> None:
        self._path = events
        self._file = -1
        self._reader = reader
        self.writer = writer
        self.awake()

    @classmethod
    def piped(cls, events: Path) -> Waker:
        """One with a pipe, and with the event file, which is made."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        waker = cls(events, reader, writer)
        waker._file = os.open(events, os.O_RDONLY | os.O_CREAT, 0o600)
        return waker

    def __del__(self) -> None:
        """Let go of what is open."""
        if os is not None:  # at the interpreter's end modules are taken apart, and this goes with the process
            self.close()

    def read(self, offset: int) -> tuple[list[Event], int]:
        """Whole events after an offset, as of `framework_run.eventfile.read`."""
        if self._file < 0:
            try:
                self._file = os.open(self._path, os.O_RDONLY)
            except OSError:
                return [], offset
        return eventfile.read(self._file, offset)

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
        """Let go of the pipe and of the file."""
        self._close_pipe()
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _close_pipe(self) -> None:
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
                self._close_pipe()
