"""The buffer of metric points: cheap to add to, from any thread, and emptied in columns."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from time import time
from typing import Any, Final

from framework_run import numbers

EVERY: Final = 0.5
"""Seconds that a point waits at most for the next call or for the flusher."""
MOST: Final = 5_000
"""Points of one event, and of the buffer between two calls."""
AT_ONCE: Final = 20
"""Points within `EVERY` that are sent as they come: only who is faster than that is made to wait."""

Send = Callable[[str, dict[str, Any]], None]


class Points:
    """Collects points, and sends them as ``metric`` events.

    Who logs a few points a second sees each of them sent at once, so that an end by SIGKILL loses none of them. Who
    logs faster has them sent by `MOST`, and every `EVERY` seconds: at the next call, or by a thread that lives no
    longer than that (``timer``). In a forked child nothing waits: such children end without a word (``os._exit``).

    Args:
        send: Takes a kind and its data.
        timer: A thread may be started to send what waits. Without it, points wait for the next call or for `flush`.
    """

    __slots__ = (
        "_at_once",
        "_due",
        "_forked",
        "_lock",
        "_points",
        "_send",
        "_since",
        "_starting",
        "_steps",
        "_timer",
        "timers",
    )

    def __init__(self, send: Send, *, timer: bool) -> None:
        self._send = send
        self._points: deque[tuple[str, int, float, float]] = deque()
        self._steps: dict[str, int] = {}  # the next step of each key
        self._since = self._due = 0.0
        self._at_once = AT_ONCE
        self._lock = threading.Lock()
        self._starting = threading.RLock()  # of several threads one starts the timer: nobody would end a second one
        self._forked = False
        self.timers = timer
        self._timer: threading.Timer | None = None

    def add(self, key: str, value: float, step: int | None) -> None:
        """Take one point.

        Args:
            key: Its name.
            value: Its value.
            step: Its step; one more than the key's last one unless told, from 0.
        """
        if step is None:
            step = self._steps.get(key, 0)
        self._steps[key] = step + 1
        now = time()
        self._points.append((key, step, value, now))
        # Not only `now < due`: a clock that is set back must not stop the sending.
        if not self._since <= now < self._due:
            self._window(now)
        elif self._at_once > 0 or self._forked:
            self._at_once -= 1
            self.flush()
        elif len(self._points) >= MOST:
            self.flush()
        elif self.timers and self._timer is None:
            self._wait()

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            while self._points:
                for key, columns in self._take().items():
                    self._send("metric", {"key": key, **columns})

    def before_fork(self) -> None:
        """Send what waits, so that a child does not send it again, and end the thread, so that Python sees only one."""
        with self._starting:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        self.flush()

    def after_fork(self) -> None:
        """In the child: locks that no thread of the parent holds, and nothing of the parent's points."""
        self._lock = threading.Lock()
        self._starting = threading.RLock()
        self._points.clear()
        self._timer = None
        self._forked = True

    def _window(self, now: float) -> None:
        """A new stretch of `EVERY` seconds begins."""
        self._since, self._due, self._at_once = now, now + EVERY, AT_ONCE - 1
        self.flush()

    def _wait(self) -> None:
        with self._starting:
            if self._timer is None:
                timer = threading.Timer(EVERY, self._expired)
                timer.daemon = True
                timer.start()
                self._timer = timer

    def _expired(self) -> None:
        with self._starting:
            if self._timer is threading.current_thread():
                self._timer = None
        self.flush()

    def _take(self) -> dict[str, dict[str, list[Any]]]:
        """Up to `MOST` points in columns, by key. ``popleft`` is atomic, so nothing is lost to other threads."""
        columns: dict[str, dict[str, list[Any]]] = {}
        points = self._points
        for _ in range(min(len(points), MOST)):
            key, step, value, at = points.popleft()
            column = columns.get(key)
            if column is None:
                column = columns[key] = {"steps": [], "values": [], "times": []}
            column["steps"].append(step)
            column["values"].append(value)
            column["times"].append(at)
        for column in columns.values():
            if not math.isfinite(sum(column["values"])):
                column["values"] = numbers.encode(column["values"])
        return columns
