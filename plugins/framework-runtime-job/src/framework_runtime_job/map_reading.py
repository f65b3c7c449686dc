"""Reading the log of one item's pod, a piece at a time, so that one thread can go on with many."""

from __future__ import annotations

import time
from typing import Any, Final

from framework.runtimes import Cursor
from framework_run.events import Event
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.causes import note_of
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.places import Place
from framework_runtime_job.reading import Reader
from framework_runtime_job.streams import Stream

_BATCH: Final = 1 << 18  # bytes of one item's log that are taken at once
_FORBIDDEN: Final = (401, 403)


class Reading:
    """One stream of one pod's log.

    Args:
        api: The cluster.
        handle: The item's handle.
        pod: Its pod, whose container has begun.
        cursor: Where to begin.
        follow: Whether to wait for what is yet to come. Without it, and where the pod is over, the stream has all.
    """

    def __init__(self, api: Api, handle: dict[str, Any], pod: Json, cursor: Cursor, *, follow: bool) -> None:
        self.reader = Reader(handle["token"], cursor)
        self.reader.begin(note_of(pod))
        self.follow = follow
        self.began = time.monotonic()
        self.broken = False  # it has ended before it had all that is there
        self.ended = False
        query = {"container": CONTAINER, "timestamps": "true", "follow": str(follow).lower()}
        if self.reader.since:
            query["sinceTime"] = self.reader.since
        path = f"{Place(handle).pods}/{pod['metadata']['name']}/log"
        self._stream = Stream(lambda: api.stream(path, **query), ahead=_BATCH)

    def take(self) -> list[Event]:
        """What has come since.

        Raises:
            Refused: The log may not be read.
        """
        events, size = list[Event](), 0
        try:
            while size < _BATCH and not self._stream.ended and (data := self._stream.take(0)):
                events += self.reader.feed(data)
                size += len(data)
        except Unreachable:
            self.broken = True
        except Refused as error:
            if error.status in _FORBIDDEN:
                raise
            self.broken = error.is_passing  # else its node has none of it any more
        self.broken = self.broken or self._stream.broken
        if self._stream.ended and not self.broken:
            events += self.reader.rest()
        self.ended = self._stream.ended or self.reader.is_enough(follow=self.follow)
        return events

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()
