"""Following a run: its pod by watch, its log as a stream, taken up again wherever it breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from framework.errors import BackendError
from framework.runtimes import Cursor, Handle
from framework_run.events import Event
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.causes import note_of
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.nodes import silent_node_end
from framework_runtime_job.parcels import deliver, is_waited_for
from framework_runtime_job.pending import pending_end
from framework_runtime_job.places import Place
from framework_runtime_job.reading import Reader
from framework_runtime_job.refining import refined
from framework_runtime_job.streams import Stream
from framework_runtime_job.waits import Waits

Batches = Iterator[tuple[list[Event], Cursor]]

_SAY: Final = 0.4  # seconds after which the caller gets an empty batch
_SILENCE: Final = 10.0  # seconds without a word after which the pod is looked at
_LOOK: Final = 2.0  # seconds between two looks at a pod that does not begin
_AGAIN: Final = 0.5  # seconds before a stream that broke is opened again
_FORBIDDEN: Final = (401, 403)
_TRIES: Final = 5  # to deliver a parcel
_BATCH: Final = 1 << 20  # bytes of the log that make one batch


class Following:
    """One follower of one run.

    Args:
        api: The cluster.
        handle: The run's handle.
        cursor: Where to begin.
        parcel: The file that is to be sent after the run, where it lies on this machine.
    """

    def __init__(self, api: Api, handle: Handle, cursor: Cursor, parcel: Path | None = None) -> None:
        self._failures = 0
        self._parcel = parcel if "parcel" in handle else None
        self._api = api
        self._handle = handle
        self._place = Place(handle)
        self._reader = Reader(handle["token"], cursor)
        self._waits = Waits(api, handle, parcel)

    def there(self) -> Batches:
        """What is there now.

        Raises:
            Unreachable: The cluster does not answer.
        """
        if self._reader.done:
            return
        pod = self._pod()
        self._deliver(pod)
        if pod is None or not begun(pod):
            return
        try:
            yield from self._log(follow=False)
        except Refused as error:
            if error.status in _FORBIDDEN:
                raise
            # else its node does not answer, or has it no more: `observe` says what follows from that

    def live(self) -> Batches:
        """All that comes, until the end has come or nothing can come any more; an empty batch now and then."""
        while not self._reader.done:
            pod, over = None, False
            try:
                for pod in self._until_begun():
                    self._deliver(pod)
                    if pod is None or not begun(pod):
                        self._waits.tell([pod] if pod else [], missing=pod is None)
                        yield [], self._reader.cursor
                if pod is None or not begun(pod):
                    return  # it never begins: `observe` says why
                over = terminated(pod)
                if not over and silent_node_end(self._api, pod) is not None:
                    return  # nobody is there to give the rest
                yield from self._log(follow=not over)
                if not self._reader.done and (over or self._is_over()):
                    yield from self._log(follow=False)  # what was written between the last line read and the end
                    return
            except (Refused, Unreachable) as error:
                if not _may_pass(error, over=over):
                    return  # it has no log: its container never began, or its node has it no more
                yield [], self._reader.cursor
            if not self._reader.done:
                time.sleep(_AGAIN)

    def _pod(self) -> Json | None:
        return self._place.pod_of(self._api.list(self._place.pods, labelSelector=self._place.selector))

    def _is_over(self) -> bool:
        pod = self._pod()
        return pod is None or terminated(pod) or silent_node_end(self._api, pod) is not None

    # Before it begins

    def _until_begun(self) -> Iterator[Json | None]:
        """The pod whenever it has changed, and now and then, until its container has begun or never will."""
        while True:
            found = self._api.get(self._place.pods, labelSelector=self._place.selector)
            pod = self._place.pod_of(found["items"])
            yield pod
            if self._is_settled(pod):
                return
            for changed in self._watched(pod, found["metadata"]["resourceVersion"]):
                yield changed
                if changed is not None and begun(changed):
                    return

    def _deliver(self, pod: Json | None) -> None:
        """Send what the pod waits for, if it is here."""
        if self._parcel is None or pod is None or not is_waited_for(pod) or not self._parcel.exists():
            return
        try:
            deliver(self._api, self._handle, pod, self._parcel)
        except BackendError:
            self._failures += 1
            if self._failures == _TRIES:
                raise
            return  # it goes on waiting, or somebody else was quicker
        self._parcel = None

    def delivered(self) -> Iterator[None]:
        """Until what is sent after the run has been, or the run is over without."""
        for pod in self._until_begun():
            self._deliver(pod)
            if self._parcel is None:
                return
            yield

    def _is_settled(self, pod: Json | None) -> bool:
        return (pod is not None and begun(pod)) or pending_end(self._api, self._handle, pod) is not None

    def _watched(self, pod: Json | None, version: str) -> Iterator[Json | None]:
        """The pod as the watch tells it, for a while; then it is looked at anew."""
        query = {"watch": "true", "labelSelector": self._place.selector, "resourceVersion": version}
        stream = Stream(lambda: self._api.stream(self._place.pods, **query, timeoutSeconds="60"))
        try:
            rest, until = b"", time.monotonic() + _LOOK
            while not stream.ended and time.monotonic() < until:
                *lines, rest = (rest + stream.take(_SAY)).split(b"\n")
                for line in lines:
                    change = json.loads(line)
                    if change["type"] == "ERROR":  # the version is too old, or the server restarts
                        return
                    pod = self._place.pod_of([change["object"]]) or pod
                yield pod
        finally:
            stream.close()

    # The log

    def _log(self, *, follow: bool) -> Batches:
        """The log from where the reader stands, to its end or the run's."""
        query = {"container": CONTAINER, "timestamps": "true", "follow": str(follow).lower()}
        if self._reader.since:
            query["sinceTime"] = self._reader.since
        pod = self._pod()
        if pod is None:
            return
        self._reader.begin(note_of(pod))
        path = f"{self._place.pods}/{pod['metadata']['name']}/log"
        stream = Stream(lambda: self._api.stream(path, **query))
        try:
            yield from self._taken(stream, follow=follow)
            if stream.ended and not stream.broken and (rest := self._reader.rest()):
                yield [self._refined(event) for event in rest], self._reader.cursor
        finally:
            stream.close()

    def _taken(self, stream: Stream, *, follow: bool) -> Batches:
        heard = said = time.monotonic()
        while not stream.ended:
            events, size = [], 0
            while size < _BATCH and (data := stream.take(0 if size else _SAY)):
                events += self._reader.feed(data)
                size += len(data)
            now = time.monotonic()
            if size:
                heard = now
            if events or now > said + _SAY:
                yield [self._refined(event) for event in events], self._reader.cursor
                said = time.monotonic()
            if self._reader.is_enough(follow=follow):
                return
            if follow and now > heard + _SILENCE:
                if self._is_over():
                    return  # the stream has missed that: its connection is dead
                heard = time.monotonic()

    def _refined(self, event: Event) -> Event:
        """The run's own word of its end, with what only the cluster knows of it."""
        if event["kind"] == "end" and event["data"].get("cause") == "Aborted" and not event.get("child"):
            return refined(self._api, self._handle, self._pod(), event)
        return event


def _may_pass(error: Refused | Unreachable, *, over: bool) -> bool:
    """Whether a log that was not given may be given later; ``over`` where its pod is.

    Raises:
        Refused: It may not be read.
    """
    if isinstance(error, Unreachable) or error.is_passing:
        return True
    if error.status in _FORBIDDEN:
        raise error
    return not over


def status_of(pod: Json) -> dict[str, Any]:
    """The state of the run's container: ``{"waiting" | "running" | "terminated": {…}}``; empty before it has one."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == CONTAINER:
            state: dict[str, Any] = status.get("state", {})
            return state
    return {}


def begun(pod: Json) -> bool:
    """Whether the container has begun, or the pod is over without."""
    return not status_of(pod).keys().isdisjoint({"running", "terminated"}) or terminated(pod)


def terminated(pod: Json) -> bool:
    """Whether the container has ended, or the pod is over without."""
    return "terminated" in status_of(pod) or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
