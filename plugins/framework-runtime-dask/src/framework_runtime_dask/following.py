"""Following: events come live by a topic of the scheduler's, and what is missing with the results of the tasks."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from framework_run.events import Event
from framework_runtime_dask import seed
from framework_runtime_dask.clients import is_there, on_scheduler, release, summary
from framework_runtime_dask.connections import LATE
from framework_runtime_dask.cursors import Cursor, Positions
from framework_runtime_dask.timeline import Timeline

if TYPE_CHECKING:
    from framework.runtimes import Handle
    from framework_runtime_dask.deaths import Deaths

_SAY: Final = 0.5  # seconds after which the caller gets an empty batch
_LOOK: Final = 0.5  # seconds between two looks at the tasks
_GATHER: Final = 0.05  # seconds in which events of a map's items are gathered
_GAPS: Final = 8  # items whose gaps are closed at one look
_ASK: Final = 5.0  # seconds for a worker to answer
_MOST: Final = 500  # parts of messages, or results, in one batch


class Follower:
    """One following of a run or a map.

    Args:
        client: The client of its scheduler.
        handle: Its handle.
        cursor: How far it has been followed.
        deaths: Says why a worker is gone.
        is_gone: Whether the whole cluster is known to be gone.
    """

    def __init__(
        self, client: Any, handle: Handle, cursor: Cursor, deaths: Deaths, is_gone: Callable[[], bool]
    ) -> None:
        self._client = client
        self._topic = handle["topic"]
        first = handle["run"].get("attempt", 1)
        self._positions = Positions(handle["count"], first, cursor, deaths.of_worker)
        is_map, kept = "uids" in handle, cursor.get("timeline", {})
        self._timeline = Timeline(handle["run"], is_map=is_map, kept=kept)
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._looked_at = 0.0
        self._delivered: list[str] = []  # keys whose end the caller has had
        self._judged: set[int] = set()  # items whose result has been looked at
        self._handle = handle
        self._is_gone = is_gone
        self._over = False

    def batches(self, *, wait: bool) -> Iterator[tuple[list[Event], Cursor]]:
        """As `framework.runtimes.Runtime.follow`."""
        self._client.subscribe_topic(self._topic, self._heard)
        try:
            for event in self._client.get_events(self._topic):
                self._heard(event)
            said = time.monotonic()
            while True:
                events = [*self._live(0.0 if not wait else 0.05), *self._finished()]
                if self._is_over() and self._messages.empty():
                    events += [*self._positions.rest(), *self._done(time.time(), last=True)]
                if events:
                    yield events, self._cursor()
                    said = time.monotonic()
                elif not wait or self._is_over():
                    return
                elif time.monotonic() - said > _SAY:
                    said = time.monotonic()
                    yield [], self._cursor()
                if self._is_over() and self._messages.empty():
                    return
        finally:
            self._client.unsubscribe_topic(self._topic)

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        for part in event[1]["parts"]:
            self._messages.put(part)

    def _is_over(self) -> bool:
        return self._over or not self._positions.left

    def _live(self, patience: float) -> list[Event]:
        """The events that have come by the topic, waited for a moment."""
        events: list[Event] = []
        if patience and "uids" in self._handle:
            time.sleep(_GATHER)  # those of short items come by the hundred: better all of them in one batch
        for _ in range(_MOST):
            try:
                message = (
                    self._messages.get(timeout=patience) if patience and not events else self._messages.get_nowait()
                )
            except queue.Empty:
                break
            events += self._take(message, whole=False)
        return events

    def _take(self, message: dict[str, Any], *, whole: bool) -> list[Event]:
        index = int(message["i"])
        was_done = self._positions.is_done(index)
        events = self._positions.take(message, whole=whole)
        if self._positions.is_done(index) and not was_done:
            self._delivered.append(key_of(self._topic, index))
        return events

    def _finished(self) -> list[Event]:
        """What tasks that have finished have returned, of those whose end has not come by the topic."""
        if time.monotonic() - self._looked_at < _LOOK:
            return []
        self._looked_at = time.monotonic()
        if self._is_gone():  # else its scheduler would be waited for
            self._over = True
            return []
        self._release()
        found = on_scheduler(self._client, summary, self._topic, self._handle.get("patience"))
        indexes = [index_of(key) for key in found["memory"]]
        self._delivered += [key_of(self._topic, index) for index in indexes if self._positions.is_done(index)]
        wanted = [index for index in indexes if not self._positions.is_done(index) and index not in self._judged]
        events = self._caught_up()
        for index, result in results(self._client, self._topic, wanted[:_MOST]).items():
            events += self._take({**result, "i": index}, whole=True)
            self._judged.add(index)
        # What has finished without an end, or is not known any more, is the observer's to judge.
        self._over = not found["going"] and len(wanted) <= _MOST
        now = time.time()
        return [*events, *self._timeline.of_workers(found["workers"], now), *self._done(now)]

    def _caught_up(self) -> list[Event]:
        """What is behind a gap, and what is in it: the worker of a run that goes on has all of it."""
        events: list[Event] = []
        for index, worker, execution, number in list(islice(self._positions.behind(), _GAPS)):
            uid = self._handle["uids"][index] if "uids" in self._handle else self._handle["run"]["uid"]
            message = more(self._client, worker, (self._handle["bundle"], uid, execution, number))
            if message is not None:
                events += [*self._take(message, whole=False), *self._positions.caught_up(index)]
        return events

    def _done(self, now: float, *, last: bool = False) -> list[Event]:
        positions = self._positions
        return self._timeline.of_done(positions.count - positions.left, now, last=last)

    def _cursor(self) -> Cursor:
        return {**self._positions.cursor(), "timeline": self._timeline.kept()}

    def _release(self) -> None:
        """The caller has recorded these: the scheduler need not keep them, nor make them again."""
        if self._delivered and "uids" in self._handle:  # of a run alone it is kept until it is cleaned up
            keys, self._delivered = self._delivered, []
            on_scheduler(self._client, release, self._topic, keys)


def key_of(topic: str, index: int) -> str:
    """The key of an item's task."""
    return f"{topic}-{index}"


def index_of(key: str) -> int:
    """The item of a task's key."""
    return int(key.rpartition("-")[2])


def more(client: Any, worker: str, about: tuple[str, str, str, int]) -> dict[str, Any] | None:
    """What a worker has of a run beyond what has come (`framework_runtime_dask.seed.tell_more`); None if nothing."""
    if not on_scheduler(client, is_there, worker):
        return None
    try:
        told = client.sync(
            client._run,  # noqa: SLF001  `run` itself knows no limit of time
            seed.tell_more,
            *about,
            workers=[worker],
            on_error="ignore",
            callback_timeout=_ASK,
        )
    except LATE:  # it has died just now, or is too busy to answer
        return None
    message: dict[str, Any] | None = told.get(worker)
    return message


def results(client: Any, topic: str, indexes: list[int]) -> dict[int, dict[str, Any]]:
    """What tasks have returned, as the scheduler has it or gets it; those that cannot be had are left out."""
    if not indexes:
        return {}
    keys = {key_of(topic, index): index for index in indexes}
    answer = client.sync(client.scheduler.gather, keys=list(keys))
    if answer["status"] == "OK":
        return {keys[key]: result for key, result in answer["data"].items()}
    lost = {keys[key] for key in answer["keys"]}  # their worker has just gone: the scheduler makes them again
    return results(client, topic, [index for index in indexes if index not in lost])
