"""Carriers: the ways back of events from the supervisor."""

from __future__ import annotations

import errno
import os
import select
from typing import Any, Protocol

from framework_run import frames
from framework_run.eventfile import EventFile
from framework_run.events import Event


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
        """Write the event's frames, one write each.

        Raises:
            OSError: Standard output is a file, and it could not be written.
        """
        if self._fd is None:
            return
        try:
            for frame in frames.encode(event, self._token):
                _write_whole(self._fd, frame)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # EIO: a terminal that has hung up
                raise
            self._fd = None

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""


class FileCarrier:
    """An event file, and a byte on a pipe to wake who follows it.

    Args:
        path: The event file.
        wake_fd: The pipe's write end; None where nobody waits.
    """

    def __init__(self, path: str, wake_fd: int | None) -> None:
        self._file = EventFile(path)
        self._beside = os.path.dirname(path)  # noqa: PTH120  pathlib is slow to import on the run side
        self._wake = wake_fd
        self._news = False
        if wake_fd is not None:
            os.set_blocking(wake_fd, False)

    def write(self, event: Event) -> None:
        """Append the event.

        Raises:
            OSError: As `EventFile.write`.
        """
        self._file.write(event)
        self._news = True
        if self._beside:
            self._sync_beside()

    def _sync_beside(self) -> None:
        """While the handler begins: who finds the final record after a loss of power needs to know whose it is."""
        from framework_run.beside import sync_documents

        sync_documents(self._beside)
        self._beside = ""

    def flush(self) -> None:
        """Wake the follower if there is news."""
        if not self._news or self._wake is None:
            return
        self._news = False
        try:
            os.write(self._wake, b".")
        except BlockingIOError:
            return  # the pipe is full: the follower has yet to wake
        except OSError:
            self._wake = None  # the follower has gone

    def close(self) -> None:
        """Let go of the file."""
        self.flush()
        self._file.close()


class Carrier(Protocol):
    """A way back of events."""

    def write(self, event: Event) -> None:
        """Deliver one event.

        Raises:
            OSError: It could not be delivered.
        """

    def flush(self) -> None:
        """Let who follows know of what was written."""

    def close(self) -> None:
        """Let go of what is open."""


def open_carrier(carrier: dict[str, Any], token: str) -> Carrier:
    """The carrier that a submission names.

    Args:
        carrier: ``{"type": "file", "path": …, "wake_fd": …}`` or ``{"type": "frames"}``, whose other
            parts are for `framework_run.digest` and `framework_run.loglimit`.
        token: The submission's token.

    Raises:
        OSError: The file cannot be opened.
        ValueError: There is no such type.
    """
    if carrier["type"] == "file":
        return FileCarrier(carrier["path"], carrier.get("wake_fd"))
    if carrier["type"] == "frames":
        return FrameCarrier(1, token)
    raise ValueError(f"there is no carrier {carrier['type']!r}: file and frames are known")


def _write_whole(fd: int, data: bytes) -> None:
    while data:
        select.select([], [fd], [])  # whoever shares the descriptor may have made it non-blocking
        data = data[_write(fd, data) :]


def _write(fd: int, data: bytes) -> int:
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0
