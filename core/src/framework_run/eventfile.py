r"""The event file: one line an event, ``CRC JSON\n``, append-only (docs/architecture.md, "Event file, version 1")."""

from __future__ import annotations

import json
import os
import zlib

from framework_run.events import Event

_CHUNK = 1 << 20  # bytes read at once


class EventFile:
    """Writes events to a file.

    Args:
        path: The file; it is created, and appended to where it exists.
    """

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        self._torn = False

    def write(self, event: Event) -> None:
        """Append one event with one write; an end is on the disk when this returns.

        Raises:
            OSError: It could not be written whole, for want of room for instance; the next line is readable all the same.
        """
        text = json.dumps(event, separators=(",", ":")).encode("ascii")
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        if self._torn:
            line = b"\n" + line
        written = os.write(self._fd, line)
        while written < len(line):  # a full disk takes a part, and says so at the next write
            self._torn = True
            written += os.write(self._fd, line[written:])
        self._torn = False
        if event["kind"] == "end":
            sync(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def sync(fd: int) -> None:
    """Wait until the data is on the disk."""
    getattr(os, "fdatasync", os.fsync)(fd)


def read(path: str, offset: int) -> tuple[list[Event], int]:
    """Whole events after an offset; a torn last line is left for the next time, a damaged line is skipped.

    Args:
        path: The file; one that is not there has no events.
        offset: Bytes.

    Returns:
        The events of about a megabyte of file, and the offset behind them.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  pathlib is slow to import on the run side
            stream.seek(offset)
            data = stream.read(_CHUNK)
            if len(data) == _CHUNK and not data.endswith(b"\n"):
                data += stream.readline()
    except FileNotFoundError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    events = [event for line in data[:whole].split(b"\n") if (event := parse(line)) is not None]
    return events, offset + whole


def parse(line: bytes) -> Event | None:
    """The event of one line, or None where the line is damaged."""
    crc, _, text = line.partition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(text):
            return None
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
