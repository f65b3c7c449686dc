"""Streams of the API, read by a thread: so that whoever waits for them can look at the clock."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final

from framework.errors import FrameworkError

_PIECE: Final = 65_536  # bytes of one read
_PATIENCE: Final = 5.0  # seconds that whoever closes waits for the thread
_AHEAD: Final = 1 << 20  # bytes that are read ahead of who takes them


class Stream:
    """The bytes of an answer that goes on.

    They come in pieces as small as one line, so what is read ahead is counted in bytes.

    Args:
        begin: Asks for it: gives an ``urllib3`` response that has not been read. It is called by the thread, because
            an answer without content yet may be as long in coming.
        ahead: Bytes that are read ahead of who takes them.
    """

    def __init__(self, begin: Callable[[], Any], ahead: int = _AHEAD) -> None:
        self._begin = begin
        self._ahead = ahead
        self._response: Any = None
        self._error: FrameworkError | None = None
        self._waiting = bytearray()
        self._changed = threading.Condition()
        self._over = False  # nothing is added any more
        self._closed = False
        self.ended = False  # all that came has been taken, and no more comes
        self.broken = False  # what came is not all that there was
        self._thread = threading.Thread(target=self._read, name="framework-job-stream", daemon=True)
        self._thread.start()

    def take(self, wait: float) -> bytes:
        """All that has come; empty where nothing has within ``wait`` seconds, and at the end.

        Raises:
            FrameworkError: It was not given; as whoever asked for it says.
        """
        if self.ended:
            return b""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over, wait)
            data = bytes(self._waiting)
            self._waiting.clear()
            self.ended = self._over and not data
            self._changed.notify_all()
        if self.ended and self._error is not None:
            raise self._error
        return data

    def close(self) -> None:
        """Let go of the connection: the thread wakes, closes it and ends. Nobody else may, while it reads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with contextlib.suppress(Exception):  # it has just ended by itself
            self._response.shutdown()
        self._thread.join(_PATIENCE if self._response is not None else 0.0)

    def _read(self) -> None:
        try:
            self._response = self._begin()
            # It may have been closed while it was asked for, when there was nothing to shut down yet.
            for piece in () if self._is_closed() else self._response.stream(_PIECE, decode_content=False):
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
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _is_closed(self) -> bool:
        return self._closed

    def _give(self, piece: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._ahead or self._closed)
            self._waiting += piece
            self._changed.notify_all()
