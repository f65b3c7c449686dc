"""From the lines of a pod's log to events, each once, with a cursor that another process can go on from.

The log is read with the time that the kubelet notes before each line. A reader that comes back asks for the log since
the last line it has had; as the API knows seconds only, some lines come again, and their numbers tell.
"""

from __future__ import annotations

import re
from typing import Any, Final

from framework.runtimes import Cursor
from framework_run.digest import events_of, is_digest
from framework_run.events import Event
from framework_run.frames import Decoder

_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
_REMEMBERED: Final = 4_000  # bytes of foreign text, which is evidence where a run has no end
_RANGES: Final = 1_000  # missing ranges that a cursor keeps


class Reader:
    """Reads the log of one pod.

    Args:
        token: The submission's.
        cursor: Where to begin.
    """

    def __init__(self, token: str, cursor: Cursor) -> None:
        self._token = token
        self.begin()
        self._since = str(cursor.get("since", ""))
        self._seq = int(cursor.get("seq", 0))
        self._missing: list[list[int]] = [list(each) for each in cursor.get("missing", [])]
        self.ended = bool(cursor.get("ended"))  # the final end has been given
        self._closed = self.ended  # the closing digest has been given
        self.said = b""  # the last foreign text

    @property
    def since(self) -> str:
        """The time of the line to go on from; empty at the beginning."""
        return self._since

    @property
    def cursor(self) -> Cursor:
        """How far it has read."""
        found: dict[str, Any] = {"since": self._since, "seq": self._seq}
        if self._missing:
            found["missing"] = self._missing
        if self.done:
            found["ended"] = True
        return found

    @property
    def done(self) -> bool:
        """Whether the end has come, and all before it that is still to be had: behind it is the closing digest."""
        return self.ended and (self._closed or not self._missing)

    def begin(self) -> None:
        """A new stream begins: what was left of the last one is no line of it."""
        self._rest = b""
        self._decoder = Decoder(self._token)
        self._decoder.feed(b"\n")  # a frame's own first newline may be a line that is not read again

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of the stream; returns the events that are new."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found: list[Event] = []
        for line in lines:
            stamp, _, text = line.partition(b" ")
            if not _STAMP.fullmatch(stamp):
                self._foreign(line)  # the kubelet's own words
                continue
            for item in self._decoder.feed(text + b"\n"):
                if isinstance(item, bytes):
                    self._foreign(item)
                else:
                    found += self._admitted(item)
            if self._decoder.settled:
                self._since = stamp.decode("ascii", "replace")
        return found

    def _foreign(self, text: bytes) -> None:
        if text.strip():
            self.said = (self.said + text)[-_REMEMBERED:]

    def _admitted(self, event: Event) -> list[Event]:
        """The event, or those of a digest, as far as they are new."""
        if is_digest(event):
            found = [each for each in events_of(event) if self._is_new(each)]
            self._closed = True
            return found
        return [event] if self._is_new(event) else []

    def _is_new(self, event: Event) -> bool:
        if event["kind"] == "end" and not event.get("child"):
            self.ended = True
        seq = int(event["seq"])
        if seq > self._seq:
            if seq > self._seq + 1:
                self._missing = [*self._missing, [self._seq + 1, seq - 1]][-_RANGES:]
            self._seq = seq
            return True
        return self._fill(seq)

    def _fill(self, seq: int) -> bool:
        """Whether a number is one of the missing; it no longer is."""
        for at, (low, high) in enumerate(self._missing):
            if low <= seq <= high:
                parts = ([low, seq - 1], [seq + 1, high])
                self._missing[at : at + 1] = [part for part in parts if part[0] <= part[1]]
                return True
        return False
