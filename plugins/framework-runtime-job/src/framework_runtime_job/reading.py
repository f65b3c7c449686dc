"""From the lines of a pod's log to events, each once, with a cursor that another process can go on from.

The log is read with the time that the kubelet notes before each line. A reader that comes back asks for the log since
the last line it has had; as the API knows seconds only, some lines come again, and their numbers tell.

Of a run that is over, the runner has left the hash of its closing digest with the pod. A digest in the log that has
another one is not taken, and the end says so: it is held back until the digest has been seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from framework.runtimes import Cursor
from framework_run.digest import events_of, hash_of, is_digest
from framework_run.events import Event
from framework_run.frames import Decoder

_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
_REMEMBERED: Final = 4_000  # bytes of foreign text, which is evidence where a run has no end
_RANGES: Final = 1_000  # missing ranges that a cursor keeps
_NO_NOTE: Final[Mapping[str, Any]] = MappingProxyType({})
_CUT: Final = "the closing digest of its log is cut off: what is missing of its events is gone"


class Reader:
    """Reads the log of one pod.

    Args:
        token: The submission's.
        cursor: Where to begin.
    """

    def __init__(self, token: str, cursor: Cursor) -> None:
        self._token = token
        self._held: Event | None = None  # the end, until the digest has been seen
        self.doubt = ""  # what is wrong with the digest, in words
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
        seq = self._seq if self._held is None else int(self._held["seq"]) - 1  # what was not given comes again
        found: dict[str, Any] = {"since": self._since, "seq": seq}
        if self._missing:
            found["missing"] = self._missing
        if self.done:
            found["ended"] = True
        return found

    @property
    def done(self) -> bool:
        """Whether the end has come, and all before it that is still to be had: behind it is the closing digest."""
        return self.ended and self._held is None and (self._closed or not self._missing)

    def is_enough(self, *, follow: bool) -> bool:
        """Whether nothing more is to be read: behind the digest the end of the log may come again, if it is there."""
        return self.done and (follow or not self._missing)

    def begin(self, note: Mapping[str, Any] = _NO_NOTE) -> None:
        """A new stream begins: what was left of the last one is no line of it.

        Args:
            note: The termination message of the runner (`framework_run.digest.read_note`) where the run is over.
        """
        self._note = note
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
            if self._decoder.settled and self._held is None:
                self._since = stamp.decode("ascii", "replace")
        return found

    def rest(self) -> list[Event]:
        """At the end of a stream that was read whole: the end, if it waits for a digest that did not come."""
        if self._held is not None and self._missing:
            self.doubt = self.doubt or _CUT
        return self._released()

    def _released(self) -> list[Event]:
        held, self._held = self._held, None
        if held is None:
            return []
        return [_doubted(held, self._note, self.doubt) if self.doubt else held]

    def _foreign(self, text: bytes) -> None:
        if text.strip():
            self.said = (self.said + text)[-_REMEMBERED:]

    def _admitted(self, event: Event) -> list[Event]:
        """The event, or those of a digest, as far as they are new."""
        if is_digest(event):
            return self._of_digest(event)
        if not self._is_new(event):
            return []
        if self._note.get("digest") and _is_end(event):
            self._held = event
            return []
        return [event]

    def _of_digest(self, document: dict[str, Any]) -> list[Event]:
        """The events of a digest that are new, if it is the one that the runner has written."""
        written, read = self._note.get("digest"), hash_of(document)
        if written and written != read:
            self.doubt = f"the closing digest of its log is {read}, and its runner wrote {written}: it was not taken"
            return []
        self.doubt, self._closed = "", True
        return [each for each in events_of(document) if self._is_new(each)] + self._released()

    def _is_new(self, event: Event) -> bool:
        if _is_end(event):
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


def _is_end(event: Event) -> bool:
    return event["kind"] == "end" and not event.get("child")


def _doubted(event: Event, note: Mapping[str, Any], doubt: str) -> Event:
    """An end, as its runner has noted it with the pod, that says what is wrong with the log."""
    data = event["data"]
    if data["state"] != note["state"]:
        data = {
            **data,
            **{name: note.get(name) for name in ("state", "cause", "exit_code")},
            "message": note["message"],
        }
    message = f"{data['message']} ({doubt})" if data.get("message") else doubt
    return {**event, "data": {**data, "message": message}}
