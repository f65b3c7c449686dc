"""The handler's output on its way into log events."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from typing import Any

from framework_run.bars import Bars
from framework_run.masking import Masker, Stream

_PIECE = 32_764  # bytes of one event's text; with the beginning of a character that was held back, at most 32 KiB
_LARGEST = 32_768  # bytes of an event's text
_FLUSH = 0.05  # seconds that output may wait for more
_TAIL = 4_096  # characters of which the last line is found
_LINE = 300  # characters of the last line

_decoder = codecs.getincrementaldecoder("utf-8")


class Output:
    """Gathers what is written on one stream into few events.

    The texts together are the bytes as they were written (UTF-8 with ``surrogateescape``); a character is cut only
    where the stream ends in its middle.

    Args:
        stream: ``stdout`` or ``stderr``.
        emit: Takes the data of a log event.
        say: Takes the data of a progress event: what a bar of tqdm's says.
        masker: Knows what is masked; None where nothing is.
    """

    def __init__(
        self,
        stream: str,
        emit: Callable[[dict[str, str]], None],
        say: Callable[[dict[str, Any]], None],
        masker: Masker | None = None,
    ) -> None:
        self._stream = stream
        self._emit = emit
        self._bars = Bars(say)
        self._masked = Stream(masker) if masker is not None else None
        self._decoder = _decoder("surrogateescape")
        self._buffer = bytearray()
        self._tail = ""
        self.due: float | None = None  # when what is gathered must go, in the monotonic clock's seconds

    def add(self, data: bytes) -> None:
        """Take what was written."""
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
        tail = self._tail.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for line in reversed(tail.splitlines()):
            text = "".join(character if character.isprintable() else " " for character in line).strip()
            if text:
                return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"
        return ""

    def _give(self, data: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(data, final)
        if self._masked is not None:
            text = self._masked.feed(text) + (self._masked.flush() if final else "")
        text = self._bars.feed(text) + (self._bars.flush() if final else "")
        if not text:
            return
        self._tail = (self._tail + text[-_TAIL:])[-_TAIL:]
        whole = len(text) <= _PIECE // 4 or len(text.encode("utf-8", "surrogateescape")) <= _LARGEST
        step = len(text) if whole else _PIECE // 4
        for start in range(0, len(text), step):
            self._emit({"stream": self._stream, "text": text[start : start + step]})
