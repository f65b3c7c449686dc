r"""The event file: one line an event, ``CRC JSON\n``, append-only (docs/architecture.md, "Event file, version 1")."""

from __future__ import annotations

import json
import os
import zlib

from framework_run.events import Event

_CHUNK = 1 << 20  # bytes read at once


class EventFile:
    """Writes events to a file, of which it is the only writer.

    Args:
        path: The file; it is created, and appended to where it exists.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size
        # A writer that died may have left half a line; what follows must not become a part of it.
        self._torn = self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"

    def write(self, event: Event) -> None:
        """Append one event with one write; an end is on the disk when this returns.

        Raises:
            OSError: It could not be written whole, for want of room for instance. Nothing of it is left, or half a line
                that readers skip.
        """
        text = json.dumps(event, separators=(",", ":")).encode("ascii")
        line = b"%s%08x %s\n" % (b"\n" if self._torn else b"", zlib.crc32(text), text)
        written = 0
        try:
            while written < len(line):  # a full disk takes a part, and says so at the next write
                written += os.write(self._fd, line[written:] if written else line)
        except OSError:
            self._take_back(written)
            raise
        self._torn = False
        self._size += written
        if event["kind"] == "end":
            sync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _take_back(self, written: int) -> None:
        """Remove half a line: the room that it takes may be just enough for the end."""
        if not written:
            return
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._torn = True
            self._size += written


def sync(fd: int) -> None:
    """Wait until the data of a file is on the disk."""
    getattr(os, "fdatasync", os.fsync)(fd)  # macOS has no fdatasync


def read(path: str | int, offset: int) -> tuple[list[Event], int]:
    """Whole events after an offset; a torn last line is left for the next time, a damaged line is skipped.

    Args:
        path: The file, or its descriptor, which stays open; one that is not there has no events.
        offset: Bytes.

    Returns:
        The events of about a megabyte of file, and the offset behind them; the same offset where nothing is new.
    """
    try:
        with open(path, "rb", closefd=isinstance(path, str)) as stream:
            stream.seek(offset)
            data = stream.read(_CHUNK)
            if len(data) == _CHUNK:
                data += stream.readline()
    except FileNotFoundError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    events = [event for line in data[:whole].split(b"\n") if (event := parse(line)) is not None]
    return events, offset + whole


def parse(line: bytes) -> Event | None:
    """The event of one line, or None where the line is damaged or empty."""
    crc, _, text = line.partition(b" ")
    if crc != b"%08x" % zlib.crc32(text):
        return None
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
