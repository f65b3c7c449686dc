"""What the tasks of a handler print on a worker: told by a topic to the handler that has submitted them.

Part of what runs in the process of a Dask worker (`framework_runtime_dask.seed`): only what is printed by Python in the
task's own thread can be told apart from what other tasks of that process print.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

_ANNOTATION = "framework"  # of a task: the topic of the handler that has submitted it
_PAUSE = 0.05  # seconds that a line may wait for more
_LONGEST = 1 << 16  # characters of a line that is told before it has come to its end


def name_of(worker: Any) -> str:
    """What a worker is called."""
    return worker.name if isinstance(worker.name, str) else f"worker-{worker.name}"


class Outlet:
    """What tasks on one worker have printed and nobody has been told yet.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.lock = threading.Lock()
        self.waiting: dict[tuple[str, str, str], str] = {}  # by task, topic and stream
        self.is_due = False

    def open(self) -> None:
        """Stand before this process's output, once, whoever does so."""
        for stream in ("stdout", "stderr"):
            if not hasattr(getattr(sys, stream), "framework_outlet"):
                setattr(sys, stream, Tap(getattr(sys, stream), stream, self))

    def close(self) -> None:
        """Leave it."""
        for stream in ("stdout", "stderr"):
            if getattr(getattr(sys, stream), "framework_outlet", None) is self:
                setattr(sys, stream, getattr(sys, stream).under)

    def add(self, source: tuple[str, str, str], text: str) -> None:
        """Take what a task has printed."""
        with self.lock:
            self.waiting[source] = self.waiting.get(source, "") + text
            is_first, self.is_due = not self.is_due, True
        if is_first:
            self.worker.loop.add_callback(self.worker.loop.call_later, _PAUSE, self.flush)

    def flush(self, ended: str = "") -> None:
        """Tell the lines that are whole; of a task that has ended, all."""
        told: list[tuple[tuple[str, str, str], str]] = []
        with self.lock:
            self.is_due = False
            for source, text in list(self.waiting.items()):
                is_last = source[0] == ended or len(text) > _LONGEST
                whole = text if is_last else text[: text.rfind("\n") + 1]
                if whole:
                    told.append((source, whole))
                    self.waiting[source] = text[len(whole) :]
                if not self.waiting[source]:
                    del self.waiting[source]
        name = name_of(self.worker)  # not under "worker": there the scheduler writes the address
        for (_, topic, stream), text in told:
            self.worker.log_event(topic, {"name": name, "stream": stream, "text": text})


class Tap:
    """A stream of this process, of which a handler's tasks have their part taken.

    Args:
        under: The stream.
        stream: Its name.
        outlet: Where their part goes.
    """

    def __init__(self, under: Any, stream: str, outlet: Outlet) -> None:
        self.under = under
        self.stream = stream
        self.framework_outlet = outlet

    def write(self, text: str) -> int:
        """Write, as of any text stream."""
        task = printing()
        if task is None:
            return int(self.under.write(text))
        self.framework_outlet.add((*task, self.stream), text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As `write`, for each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self.under, name)


def topic_of(worker: Any, key: Any) -> str:
    """The topic of the handler that has submitted a task; empty where it is nobody's of ours."""
    task = worker.state.tasks.get(key)
    return str(((task.annotations if task is not None else None) or {}).get(_ANNOTATION) or "")


def printing() -> tuple[str, str] | None:
    """The key and the topic of the task that this thread is in, where it is one of a handler's."""
    from distributed.utils import thread_state  # type: ignore[attr-defined]

    state = getattr(thread_state, "execution_state", None)
    if not state:
        return None
    topic = topic_of(state["worker"], thread_state.key)
    return (str(thread_state.key), topic) if topic else None
