"""Carriers: the ways back of events from the supervisor."""

from __future__ import annotations

import os
from typing import Any, Protocol

from framework_run import frames
from framework_run.eventfile import EventFile
from framework_run.events import Event


class Carrier(Protocol):
    """Takes events in order."""

    def write(self, event: Event) -> None:
        """Deliver one event."""

    def close(self) -> None:
        """Let go."""


class FrameCarrier:
    """Frames on a descriptor, the real standard output.

    A reader that has gone is no reason to stop the user's work: what is then lost is the reader's.

    Args:
        fd: The descriptor.
        token: The submission's token.
    """

    def __init__(self, fd: int, token: str) -> None:
        self._fd: int | None = fd
        self._token = token

    def write(self, event: Event) -> None:
        """Write the event's frames, one write each."""
        if self._fd is None:
            return
        try:
            for frame in frames.encode(event, self._token):
                _write_all(self._fd, frame)
        except BrokenPipeError:
            self._fd = None

    def close(self) -> None:
        """Nothing is held."""


class FileCarrier:
    """An event file, and a byte on a pipe to wake who follows it.

    Args:
        path: The event file.
        wake_fd: The pipe's write end; None where nobody waits.
    """

    def __init__(self, path: str, wake_fd: int | None) -> None:
        self._file = EventFile(path)
        self._wake = wake_fd
        if wake_fd is not None:
            os.set_blocking(wake_fd, False)

    def write(self, event: Event) -> None:
        """Append the event and wake the follower."""
        self._file.write(event)
        if self._wake is not None:
            try:
                os.write(self._wake, b".")
            except BlockingIOError:
                pass  # the pipe is full: the follower is awake
            except OSError:
                self._wake = None  # the follower has gone

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def open_carrier(carrier: dict[str, Any], token: str) -> Carrier:
    """The carrier that a submission names.

    Args:
        carrier: ``{"type": "file", "path": …, "wake_fd": …}`` or ``{"type": "frames"}``.
        token: The submission's token.

    Raises:
        ValueError: There is no such type.
    """
    if carrier["type"] == "file":
        return FileCarrier(carrier["path"], carrier.get("wake_fd"))
    if carrier["type"] == "frames":
        return FrameCarrier(1, token)
    raise ValueError(f"unknown carrier {carrier['type']!r}; file and frames are known")


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
