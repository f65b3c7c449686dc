"""Streams of the API, read by a thread: so that whoever waits for them can look at the clock."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any, Final

_PIECE: Final = 65_536  # bytes of one read
_PATIENCE: Final = 5.0  # seconds that whoever closes waits for the thread
_WAITING: Final = 32  # pieces that are read ahead of who takes them


class Stream:
    """The bytes of an answer that goes on.

    Args:
        response: An ``urllib3`` response that has not been read.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        self._pieces: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._closed = False
        self.ended = False  # all that came has been taken, and no more comes
        self._thread = threading.Thread(target=self._read, name="framework-job-stream", daemon=True)
        self._thread.start()

    def take(self, wait: float) -> bytes:
        """What has come; empty where nothing has within ``wait`` seconds, and at the end."""
        if self.ended:
            return b""
        try:
            piece = self._pieces.get(timeout=wait) if wait > 0 else self._pieces.get_nowait()
        except queue.Empty:
            return b""
        self.ended = not piece
        return piece

    def close(self) -> None:
        """Let go of the connection: the thread wakes, closes it and ends. Nobody else may, while it reads."""
        self._closed = True
        with contextlib.suppress(Exception):  # it has just ended by itself
            self._response.shutdown()
        self._thread.join(_PATIENCE)

    def _read(self) -> None:
        try:
            for piece in self._response.stream(_PIECE, decode_content=False):
                if piece:
                    self._give(piece)
                if self._closed:
                    return
        except Exception:  # noqa: BLE001, S110  a stream that breaks has ended: whoever takes it asks why
            pass
        finally:
            with contextlib.suppress(Exception):
                self._response.close()
            self._give(b"")

    def _give(self, piece: bytes) -> None:
        while not self._closed:
            try:
                self._pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
            return
