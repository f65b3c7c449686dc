"""A limit to the log of a run: its first and its last bytes are kept, and the middle is left out and counted."""

from __future__ import annotations

from collections import deque
from typing import Any

Line = tuple[dict[str, Any], "str | None", float]
"""The data of one log event, the child run that it belongs to, and its time."""
Stream = tuple[str, "str | None"]


class LogLimit:
    """Lets the beginning pass, and holds the rest back as far as it may turn out to be the end.

    Lines stay whole where that can be: the cuts are moved to the ends of lines.

    Args:
        first: Bytes that pass at once.
        last: Bytes that are held back for the end.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.is_holding = False
        self._passed = 0
        self._open: set[Stream] = set()  # of which an unfinished line has passed
        self._held: deque[Line] = deque()
        self._size = 0  # bytes that are held
        self._torn: set[Stream] = set()  # of which an unfinished line was left out
        self._lines = 0  # that were left out
        self._bytes = 0

    def feed(self, line: Line) -> list[Line]:
        """Take a log event; give those that go out now."""
        size = _size(line)
        if not self.is_holding and self._passed + size <= self.first:
            self._passed += size
            _note(self._open, line)
            return [line]
        self.is_holding = True
        passing, rest = _cut(line, self._open)
        if rest[0]["text"]:
            self._hold(rest)
        return passing

    def release(self) -> tuple[dict[str, int] | None, list[Line]]:
        """The end of the log: the data of a ``dropped`` event, if anything was left out, and what follows it."""
        held = []
        for line in self._held:
            unfinished, rest = _cut(line, self._torn)
            for part in unfinished:
                self._count(part)
            if rest[0]["text"]:
                held.append(rest)
        dropped = {"lines": self._lines, "bytes": self._bytes} if self._bytes else None
        self._held.clear()
        self._size = self._lines = self._bytes = 0
        return dropped, held

    def _hold(self, line: Line) -> None:
        self._held.append(line)
        self._size += _size(line)
        while self._size > self.last and self._held:
            oldest = self._held.popleft()
            self._size -= _size(oldest)
            self._count(oldest)
            _note(self._torn, oldest)

    def _count(self, line: Line) -> None:
        self._bytes += _size(line)
        self._lines += line[0]["text"].count("\n")


def _cut(line: Line, unfinished: set[Stream]) -> tuple[list[Line], Line]:
    """What finishes the line that the stream was in, if it is all here, and the rest."""
    if _stream(line) not in unfinished:
        return [], line
    unfinished.discard(_stream(line))
    data, child, at = line
    head, end, rest = data["text"].partition("\n")
    return ([({**data, "text": head + end}, child, at)], ({**data, "text": rest}, child, at)) if end else ([], line)


def _note(unfinished: set[Stream], line: Line) -> None:
    """Note whether the line that a stream is in is at its end."""
    if line[0]["text"].endswith("\n"):
        unfinished.discard(_stream(line))
    else:
        unfinished.add(_stream(line))


def _stream(line: Line) -> Stream:
    return str(line[0].get("stream")), line[1]


def _size(line: Line) -> int:
    """Bytes as they were written: each that is no UTF-8 is one surrogate."""
    return len(line[0]["text"].encode("utf-8", "replace"))
