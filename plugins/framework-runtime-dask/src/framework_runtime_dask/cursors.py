"""How far a run or a map has been followed: which items have ended, and where each open one stands."""

from __future__ import annotations

import base64
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from framework_run.ends import Ending
from framework_run.events import Event, observed_end

Cursor = dict[str, Any]
OfWorker = Callable[[str, float], Ending]

_HELD: Final = 1000  # messages of an item that are held back; of more the oldest are in the gap as well


class Positions:
    """Where each item stands.

    An item may be executed more than once: when a worker is lost, the scheduler starts what it had elsewhere. Each
    execution numbers its events from 1, so each is an attempt of its own, and none is mixed with another. What is said
    of an item that has ended is dropped.

    Args:
        count: How many items there are.
        attempt: The number of the first attempt.
        cursor: As `cursor` gave it.
        of_worker: The end of what a worker had that is gone: it is given its address, and when it was there.
    """

    def __init__(self, count: int, attempt: int, cursor: Cursor, of_worker: OfWorker) -> None:
        self.count = count
        self._of_worker = of_worker
        self._first = attempt
        self._done = bytearray(zlib.decompress(base64.b64decode(cursor["done"]))) if "done" in cursor else bytearray()
        self._done.extend(bytes((count + 7) // 8 - len(self._done)))
        self.left = count - sum(byte.bit_count() for byte in self._done)  # how many have not ended
        # By item: the executions in the order in which they were seen, and the last number that was given of each.
        self._open: dict[int, dict[str, int]] = {int(key): dict(it) for key, it in cursor.get("open", {}).items()}
        # By item: where its last execution is, and when that was heard of first.
        self._at: dict[int, tuple[str, float]] = {
            int(key): (at, since) for key, (at, since) in cursor.get("at", {}).items()
        }

        self._held: dict[int, deque[dict[str, Any]]] = {}  # by item, what came behind a gap, the oldest first
        self._behind: set[int] = set()  # items of which there is more than has come

    def cursor(self) -> Cursor:
        """What is kept of this, as JSON."""
        done = base64.b64encode(zlib.compress(bytes(self._done))).decode()
        return {
            "done": done,
            "open": {str(index): it for index, it in self._open.items()},
            "at": {str(index): it for index, it in self._at.items()},
        }

    def is_done(self, index: int) -> bool:
        """Whether an item has ended."""
        return bool(self._done[index >> 3] & 1 << (index & 7))

    def take(self, message: dict[str, Any], *, whole: bool = False) -> list[Event]:
        """The events of a message that are new, in their order.

        Args:
            message: ``i`` (the item), ``x`` (the execution), ``w`` (the worker), ``lines`` (events as JSON).
            whole: It is the result of the task, so that nothing that is missing will come later. Else what is behind a
                gap is held back until the result comes, or until it is clear that none does (`rest`).
        """
        index, execution = int(message["i"]), str(message["x"])
        if self.is_done(index) or not message["lines"]:
            return []
        seen = self._open.setdefault(index, {})
        given: list[Event] = []
        if whole and execution in seen and execution != list(seen)[-1]:
            execution += "+"  # the result counts: it is told again, as the latest attempt
        if execution not in seen:
            if seen:
                given += self._held_back(index)
                given.append(self._superseded(message, len(seen)))
            seen[execution] = 0
            self._at[index] = (message["w"], float(json.loads(message["lines"][0])["time"]))
        attempt = self._first + list(seen).index(execution)
        for line in message["lines"]:
            event: Event = json.loads(line)
            number = event["seq"]
            if number <= seen[execution]:
                continue
            if number > seen[execution] + 1 and not whole:
                self._held.setdefault(index, deque(maxlen=_HELD)).append(message)
                self._behind.add(index)
                break
            seen[execution] = number
            event["attempt"] = attempt
            given.append(event)
            if event["kind"] == "end" and not event.get("child"):
                if execution == list(seen)[-1]:  # else a worker that was thought lost; another has the item now
                    self.finish(index)
                break
        return given

    def behind(self) -> Iterator[tuple[int, str, str, int]]:
        """The items of which there is more: each with its worker, its execution, and the last number that has come."""
        for index in sorted(self._behind):
            execution, number = list(self._open[index].items())[-1]
            yield index, self._at[index][0], execution, number

    def caught_up(self, index: int) -> list[Event]:
        """What was held back of an item and can be given now: there is no gap before it any more."""
        self._behind.discard(index)
        return [event for message in self._held.pop(index, ()) for event in self.take(message)]

    def rest(self) -> list[Event]:
        """What was held back of items that will have no result; the numbers that are missing tell of the gap."""
        return [event for index in list(self._held) for event in self._held_back(index)]

    def _held_back(self, index: int) -> list[Event]:
        self._behind.discard(index)
        return [event for message in self._held.pop(index, ()) for event in self.take(message, whole=True)]

    def finish(self, index: int) -> None:
        """Note that an item has ended."""
        self.left -= not self.is_done(index)
        self._done[index >> 3] |= 1 << (index & 7)
        self._open.pop(index, None)
        self._at.pop(index, None)
        self._held.pop(index, None)
        self._behind.discard(index)

    def _superseded(self, message: dict[str, Any], executions: int) -> Event:
        """The end of the execution before: its worker is gone, or it would not have been started again."""
        run = {"uid": json.loads(message["lines"][0])["run"], "attempt": self._first + executions - 1}
        end = self._of_worker(*self._at[int(message["i"])])
        return observed_end(run, {**end, "message": f"{end['message']}; it was started again on {message['w']}"})
