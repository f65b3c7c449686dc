"""What is told of one execution of a run on a Dask worker.

Part of what runs in the process of a worker (`framework_runtime_dask.seed`).
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any

from framework_runtime_dask.memory import MORE, RESTARTS, of_nanny
from framework_runtime_dask.taps import name_of

_BEAT = 0.05  # seconds that a report may wait for more
_GATHER = 0.03  # seconds that it may wait for those of others
_LONGEST = 1 << 16  # characters of one message, about
_LOGS = "Look at the logs of the workers: a kill, a crash of what the task calls, a node that went."
_LIVE = 1 << 23  # characters of a run's log that are sent live; of the rest, only that it is there
_NEWS = 0.5  # seconds between two words of that
_PIECE = 1 << 20  # characters that are told at once to who asks, about


class Post:
    """What a worker has to tell by topics of the scheduler's: what comes in a short time goes as one message a topic.

    A message of their own for each of many short items would be most of what they cost the scheduler and its clients.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.lock = threading.Lock()
        self.waiting: dict[str, list[dict[str, Any]]] = {}  # by topic

    def add(self, topic: str, part: dict[str, Any]) -> None:
        """Take a part; all that comes in the next moment goes with it."""
        with self.lock:
            is_first = not self.waiting
            self.waiting.setdefault(topic, []).append(part)
        if is_first:
            self.worker.loop.add_callback(self.worker.loop.call_later, _GATHER, self.send)

    def send(self) -> None:
        """Send what waits; called in the worker's event loop."""
        with self.lock:
            waiting, self.waiting = self.waiting, {}
        if self.worker.status.name in ("closing", "closed"):
            return  # what ends because its worker does has not ended: it is started elsewhere, or lost
        for topic, parts in waiting.items():
            self.worker.log_event(topic, {"parts": parts})


class Report:
    """What is told of one execution: live by a topic of the scheduler's, and whole in the task's result.

    Args:
        post: What takes it to the scheduler.
        topic: The topic.
        index: Which item of a map it is; 0 for a run alone.
    """

    def __init__(self, post: Post, topic: str, index: int) -> None:
        self.post = post
        self.worker = post.worker
        self.topic = topic
        self.index = index
        self.execution = uuid.uuid4().hex[:12]
        self.lines: list[str] = []
        self.sent = 0
        self.size = self.live = 0
        self.due = time.monotonic() + _BEAT
        self.ended = False
        self.news_at = 0.0
        self.verdict: dict[str, str] = {}  # why the worker has killed the run

    def add(self, line: str) -> None:
        """Take one event."""
        if '"kind":"end"' in line or '"kind":"state"' in line:
            line = self.completed(json.loads(line), line)
        self.lines.append(line)
        self.size += len(line)
        if self.size > _LONGEST:
            self.send()

    def completed(self, event: dict[str, Any], line: str) -> str:
        """An event of the run's own with what only the worker knows: its name, and why the handler was killed."""
        if event.get("child") or event["kind"] not in {"state", "end"}:
            return line
        data: dict[str, Any] = event["data"]
        self.ended = event["kind"] == "end"
        if not self.ended:
            data["worker"] = name_of(self.worker)
        elif data.get("cause") == "Lost" and self.verdict:
            data.update(self.verdict)
        elif str(data.get("message", "")).startswith("KilledWorker") and data.get("cause") == "UserError":
            data.update(self.of_killed_worker(data["message"]))
        return json.dumps(event, separators=(",", ":"))

    def of_killed_worker(self, text: str) -> dict[str, str]:
        """What a handler's end is of, where the workers that had one of its tasks have died."""
        from distributed.utils import sync

        why = of_nanny(text, sync(self.worker.loop, self.worker.scheduler.events, topic=RESTARTS))
        if why:
            return {"cause": "OutOfMemory", "message": f"{why}: {text}", "advice": MORE}
        return {"cause": "Lost", "message": f"workers died again and again: {text}", "advice": _LOGS}

    def send_if_due(self) -> None:
        """Send what waits, if it has waited for long enough."""
        if self.sent < len(self.lines) and time.monotonic() >= self.due:
            self.send()

    def send(self) -> None:
        """Send what waits."""
        lines = self.lines[self.sent :]
        if not lines:
            return
        self.live += self.size
        now = time.monotonic()
        if self.live - self.size < _LIVE:
            self.tell(lines)
        elif now >= self.news_at:
            self.tell(lines[-1:])  # who follows sees the gap, and asks for what is in it
            self.news_at = now + _NEWS
        self.sent, self.size = len(self.lines), 0
        self.due = now + _BEAT

    def tell(self, lines: list[str]) -> None:
        """Tell these events to who follows."""
        self.post.add(self.topic, {"i": self.index, "x": self.execution, "w": self.worker.address, "lines": lines})

    def since(self, number: int) -> dict[str, Any]:
        """The events behind a number, as a message; of many, the first."""
        lines, size = [], 0
        for line in self.lines[number:]:
            lines.append(line)
            size += len(line)
            if size > _PIECE:
                break
        return {"i": self.index, "x": self.execution, "w": self.worker.address, "lines": lines}

    def result(self, end: dict[str, Any] | None) -> dict[str, Any]:
        """What the task returns."""
        result: dict[str, Any] = {"x": self.execution, "w": self.worker.address, "lines": self.lines}
        return result if end is None else {**result, "end": end}


def ending(cause: str, message: str, advice: str) -> dict[str, Any]:
    """An end that is not the run's own word."""
    return {"state": "failed", "cause": cause, "message": message, "advice": advice}
