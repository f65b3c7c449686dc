"""Streams of the API, read by a thread: so that whoever waits for them can look at the clock."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

from framework.errors import FrameworkError

_PIECE: Final = 65_536  # bytes of one read
_PATIENCE: Final = 5.0  # seconds that whoever closes waits for the thread
_WAITING: Final = 32  # pieces that are read ahead of who takes them


class Stream:
    """The bytes of an answer that goes on.

    Args:
        begin: Asks for it: gives an ``urllib3`` response that has not been read. It is called by the thread, because
            an answer without content yet may be as long in coming.
        ahead: Pieces of 64 KiB that are read ahead of who takes them.
    """

    def __init__(self, begin: Callable[[], Any], ahead: int = _WAITING) -> None:
        self._begin = begin
        self._response: Any = None
        self._error: FrameworkError | None = None
        self._pieces: queue.Queue[bytes] = queue.Queue(ahead)
        self._closed = False
        self.ended = False  # all that came has been taken, and no more comes
        self.broken = False  # what came is not all that there was
        self._thread = threading.Thread(target=self._read, name="framework-job-stream", daemon=True)
        self._thread.start()

    def take(self, wait: float) -> bytes:
        """What has come; empty where nothing has within ``wait`` seconds, and at the end.

        Raises:
            FrameworkError: It was not given; as whoever asked for it says.
        """
        if self.ended:
            return b""
        try:
            piece = self._pieces.get(timeout=wait) if wait > 0 else self._pieces.get_nowait()
        except queue.Empty:
            return b""
        self.ended = not piece
        if self.ended and self._error is not None:
            raise self._error
        return piece

    def close(self) -> None:
        """Let go of the connection: the thread wakes, closes it and ends. Nobody else may, while it reads."""
        self._closed = True
        with contextlib.suppress(Exception):  # it has just ended by itself
            self._response.shutdown()
        self._thread.join(_PATIENCE if self._response is not None else 0.0)

    def _read(self) -> None:
        try:
            self._response = self._begin()
            # It may have been closed while it was asked for, when there was nothing to shut down yet.
            for piece in () if self._is_closed() else self._response.stream(_PIECE, decode_content=False):
                if piece:
                    self._give(piece)
                if self._closed:
                    return
        except FrameworkError as error:
            self._error = error
        except Exception:  # noqa: BLE001  a stream that breaks has ended: whoever takes it asks why
            self.broken = True
        finally:
            with contextlib.suppress(Exception):
                self._response.close()
            self._give(b"")

    def _is_closed(self) -> bool:
        return self._closed

    def _give(self, piece: bytes) -> None:
        while not self._closed:
            try:
                self._pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
            return
