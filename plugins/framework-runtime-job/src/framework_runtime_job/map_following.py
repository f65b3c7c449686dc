"""Following a map: its pods by watch, and the logs of as many as it may, each once and in the order of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from framework.runtimes import Cursor, Handle
from framework_run import ends
from framework_run.events import Event, observed_end
from framework_runtime_job import causes, gone
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.deliveries import Deliveries
from framework_runtime_job.following import begun, terminated
from framework_runtime_job.indexes import parse, write
from framework_runtime_job.map_observing import is_asked_to_end, is_over, item_handle
from framework_runtime_job.map_pods import Pods
from framework_runtime_job.map_reading import Reading
from framework_runtime_job.nodes import node_of, silent_node_end
from framework_runtime_job.observing import of_begun
from framework_runtime_job.pending import pending_end
from framework_runtime_job.places import Place
from framework_runtime_job.refining import refined
from framework_runtime_job.waits import Waits

Batches = Iterator[tuple[list[Event], Cursor]]

_SAY: Final = 0.4  # seconds after which the caller gets an empty batch
_PAUSE: Final = 0.05  # seconds between two rounds in which nothing came
_LOOK: Final = 2.0  # seconds between two looks at what does not begin, and at the Job
_AGAIN: Final = 1.0  # seconds before what broke is tried again
_FORBIDDEN: Final = (401, 403)
_STREAMS: Final = 24  # logs that are read at once
_TURN: Final = 5.0  # seconds that a running pod's log is read while others wait for their turn


class MapFollowing:
    """One follower of one map.

    Args:
        api: The cluster.
        handle: The map's handle.
        cursor: Where to begin: the indexes that are done, and where each open one stands.
        parcel: The file that is sent to each pod, where it lies on this machine.
    """

    def __init__(self, api: Api, handle: Handle, cursor: Cursor, parcel: Path | None = None) -> None:
        self._api = api
        self._handle = handle
        self._uids: list[str] = handle["uids"]
        self._deliveries = Deliveries(api, handle, parcel)
        self._pods = Pods(api, Place(handle))
        self._done = parse(cursor.get("done", ""))
        self._open: dict[int, Cursor] = {int(index): it for index, it in cursor.get("open", {}).items()}
        self._readings: dict[int, Reading] = {}
        self._passed: set[int] = set()  # whose log has been read as far as it is, where nothing is waited for
        self._again: dict[int, float] = {}  # when what broke may be tried again
        self._waits = Waits(api, handle, parcel)
        self._looked_at = 0.0
        self._has_begun = bool(self._done)
        for index in self._done:
            self._pods.forget(index)

    @property
    def cursor(self) -> Cursor:
        """How far it has read."""
        at = {str(index): it for index, it in sorted(self._open.items())}
        return {"done": write(self._done), **({"open": at} if at else {})}

    def batches(self, *, wait: bool) -> Batches:
        """As `framework.runtimes.Runtime.follow`.

        Raises:
            Unreachable: Nothing is waited for, and the cluster does not answer.
            Refused: It may not be looked at.
        """
        try:
            while not self._is_listed(wait=wait):
                yield [], self.cursor
                time.sleep(_AGAIN)
            yield from self._rounds(wait=wait)
        finally:
            self._pods.close()
            self._deliveries.close()
            for reading in self._readings.values():
                reading.close()

    def _is_listed(self, *, wait: bool) -> bool:
        """Whether the pods could be listed; where nothing is waited for, it has to be."""
        try:
            self._pods.look()
        except (Refused, Unreachable) as error:
            if not wait or (isinstance(error, Refused) and error.status in _FORBIDDEN):
                raise
            return False
        return True

    def _rounds(self, *, wait: bool) -> Batches:
        said = time.monotonic()
        while len(self._done) < len(self._uids):
            events = self._round(wait=wait)
            now = time.monotonic()
            if events or now > said + _SAY:
                yield events, self.cursor
                said = time.monotonic()
            if not events:
                if not self._readings and (not wait or self._is_over()):
                    return
                time.sleep(_PAUSE)

    def _round(self, *, wait: bool) -> list[Event]:
        """What is new since the last: of the watch, of the logs, of what does not begin."""
        if wait and self._pods.changes() and not self._is_listed(wait=True):
            time.sleep(_AGAIN)
        self._open_streams(wait=wait)
        events = [event for index in list(self._readings) for event in self._read(index)]
        if time.monotonic() > self._looked_at + _LOOK:
            self._looked_at = time.monotonic()
            events += self._look(wait=wait)
        return events

    # The logs

    def _open_streams(self, *, wait: bool) -> None:
        """Read the logs of pods that have begun, those that are over first, by turns where there are too many."""
        now = time.monotonic()
        wanted = [
            (not terminated(pod), index, pod)
            for index, pod in self._pods.waiting()
            if index not in self._readings
            and index not in self._passed
            and index not in self._pods.gone
            and begun(pod)
            and self._again.get(index, 0.0) <= now
        ]
        for running, index, pod in sorted(wanted, key=lambda each: each[:2]):
            self._has_begun = True
            if len(self._readings) >= _STREAMS and not self._has_made_room(now):
                return
            handle, follow = item_handle(self._handle, index), wait and running
            self._readings[index] = Reading(self._api, handle, pod, self._open.get(index, {}), follow=follow)

    def _has_made_room(self, now: float) -> bool:
        """Whether a running pod's log could be left for a while: the one that has been read for longest."""
        turns = [(each.began, index) for index, each in self._readings.items() if each.follow]
        if not turns or min(turns)[0] > now - _TURN:
            return False
        self._leave(min(turns)[1])
        return True

    def _leave(self, index: int) -> None:
        reading = self._readings.pop(index)
        reading.close()
        self._open[index] = reading.reader.cursor

    def _read(self, index: int) -> list[Event]:
        """What has come of one item's log."""
        reading = self._readings[index]
        events = [self._refined(index, event) for event in reading.take()]
        if events:
            self._open[index] = reading.reader.cursor
        if reading.ended:
            self._leave(index)
            events += self._ended(index, reading)
        return events

    def _ended(self, index: int, reading: Reading) -> list[Event]:
        """What follows from the end of a stream."""
        pod = self._pods.there.get(index)
        if reading.reader.done or (reading.reader.ended and not (reading.follow or reading.broken)):
            self._finish(index)
        elif reading.broken:
            self._again[index] = time.monotonic() + _AGAIN
        elif not reading.follow and pod is not None and index not in self._pods.gone:
            return self._without_end(index, pod)
        return []

    def _without_end(self, index: int, pod: Json) -> list[Event]:
        """A log that was read to where it is, and does not have the run's own end."""
        self._passed.add(index)
        if not terminated(pod):
            return []
        seen = of_begun(self._api, item_handle(self._handle, index), pod, asked=self._is_asked())
        if seen.end is not None:
            return self._observed(index, seen.end)
        self._passed.discard(index)  # its end is there after all: the stream broke before it
        self._again[index] = time.monotonic() + _AGAIN
        return []

    def _refined(self, index: int, event: Event) -> Event:
        """The run's own word of its end, with what only the cluster knows of it."""
        if event["kind"] == "end" and event["data"].get("cause") == "Aborted" and not event.get("child"):
            handle = item_handle(self._handle, index)
            return refined(self._api, handle, self._pods.there.get(index), event)
        return event

    # What no log says

    def _look(self, *, wait: bool) -> list[Event]:
        """The ends of items that do not begin, whose pods are gone, or whose nodes do not answer."""
        events: list[Event] = []
        try:
            for index, pod in list(self._pods.waiting()):
                if index in self._readings and index not in self._pods.gone:
                    continue
                if (end := self._end_of(index, pod, wait=wait)) is not None:
                    events += self._observed(index, end)
            if wait:
                self._tell()
        except (Refused, Unreachable):
            pass  # the next look may be luckier
        return events

    def _tell(self) -> None:
        """Say why pods do not begin, or are not there."""
        there = [pod for index, pod in self._pods.waiting() if index not in self._pods.gone]
        self._waits.tell(there, missing=len(self._done) + len(there) < len(self._uids))

    def _end_of(self, index: int, pod: Json, *, wait: bool) -> ends.Ending | None:
        if index in self._pods.gone:
            return None if index in self._readings else self._end_of_gone(pod)
        if begun(pod):
            return None if terminated(pod) else silent_node_end(self._api, pod)
        self._deliveries.send(pod, wait=wait)
        if not self._has_begun:
            return None  # it is the same for all: `observe` says so
        end = pending_end(self._api, item_handle(self._handle, index), pod)
        if end is not None:  # in its place the next one may begin
            self._api.delete(f"{Place(self._handle).pods}/{pod['metadata']['name']}")
        return end

    def _end_of_gone(self, pod: Json) -> ends.Ending:
        """The end of an item whose pod was deleted before it was read to its end."""
        if self._is_asked():
            how = "and its pod is gone" if begun(pod) else "before it began"
            return ends.aborted(f"it was asked to end {how}")
        found = causes.disruption(pod, node_of(self._api, pod)) or gone.end_of(self._api, Place(self._handle), pod)
        return found or ends.lost("its pod was deleted before it could say how it ended")

    def _observed(self, index: int, end: Mapping[str, Any]) -> list[Event]:
        if index in self._readings:
            self._leave(index)
        self._finish(index)
        return [observed_end({"uid": self._uids[index], "attempt": 1}, dict(end))]

    def _finish(self, index: int) -> None:
        self._done.add(index)
        self._has_begun = True
        self._open.pop(index, None)
        self._passed.discard(index)
        self._again.pop(index, None)
        self._pods.forget(index)

    # The Job

    def _is_asked(self) -> bool:
        return is_asked_to_end(self._api, self._handle)

    def _is_over(self) -> bool:
        """Whether nothing more comes: the Job is over or gone, or none of its pods can begin."""
        if time.monotonic() < self._looked_at + _LOOK / 2 or any(map(begun, self._pods.there.values())):
            return False  # what has begun is read to its end
        try:
            return is_over(self._api, self._handle, self._pods.there, has_begun=self._has_begun)
        except (Refused, Unreachable):
            return False
