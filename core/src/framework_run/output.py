"""The handler's output on its way into log events."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable

_PIECE = 32_764  # bytes of one event's text; with the beginning of a character that was held back, at most 32 KiB
_FLUSH = 0.05  # seconds that output may wait for more
_TAIL = 4_096  # bytes of which the last line is found
_LINE = 300  # characters of the last line

_decoder = codecs.getincrementaldecoder("utf-8")


class Output:
    """Gathers what is written on one stream into few events.

    The texts together are the bytes as they were written (UTF-8 with ``surrogateescape``); a character is cut only
    where the stream ends in its middle.

    Args:
        stream: ``stdout`` or ``stderr``.
        emit: Takes the data of a log event.
    """

    def __init__(self, stream: str, emit: Callable[[dict[str, str]], None]) -> None:
        self._stream = stream
        self._emit = emit
        self._decoder = _decoder("surrogateescape")
        self._buffer = bytearray()
        self._tail = b""
        self.due: float | None = None  # when what is gathered must go, in the monotonic clock's seconds

    def add(self, data: bytes) -> None:
        """Take what was written."""
        self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]
        self._buffer += data
        while len(self._buffer) >= _PIECE:
            self._give(bytes(self._buffer[:_PIECE]))
            del self._buffer[:_PIECE]
        self.due = self.due or time.monotonic() + _FLUSH

    def flush(self, *, final: bool = False) -> None:
        """Give what is gathered.

        Args:
            final: The stream is at its end: the bytes of an unfinished character go too.
        """
        self._give(bytes(self._buffer), final=final)
        self._buffer.clear()
        self.due = None

    def last_line(self) -> str:
        """The last line with something on it, printable; empty where there is none."""
        for line in reversed(self._tail.decode("utf-8", "replace").splitlines()):
            text = "".join(character if character.isprintable() else " " for character in line).strip()
            if text:
                return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"
        return ""

    def _give(self, data: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(data, final)
        if text:
            self._emit({"stream": self._stream, "text": text})
