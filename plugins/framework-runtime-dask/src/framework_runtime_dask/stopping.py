"""Ending tasks of handlers that nobody wants any more: Dask forgets them, and their code runs on.

Part of what runs in the process of a Dask worker (`framework_runtime_dask.seed`). A task is unwanted when it was
cancelled, when the handler has let go of its future, and when the handler's process has ended, however it did, with the
connection of its client; `fire_and_forget` keeps it wanted. Each is told by an exception in its thread, which Python
raises between two of its own steps. What is deaf to that, because it is in a call that does not return or catches
everything, ends with its worker, which its nanny starts again.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from typing import Any

from framework_runtime_dask.taps import topic_of

_LOOK = 0.1  # seconds between two looks at what goes on
_GRACE = 5.0  # seconds that a task has to end by itself when it was told
_OWN = "framework-"  # what keys of runs begin with


def stopper_of(worker: Any) -> Stopper:
    """The stopper of a worker, one for all bundles that it has."""
    if not hasattr(worker, "framework_stopper"):
        worker.framework_stopper = Stopper(worker)
    found: Stopper = worker.framework_stopper
    return found


class Stopper:
    """Ends the unwanted tasks of handlers on one worker.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.lock = threading.Lock()
        self.is_looking = False

    def notice(self, key: Any) -> None:
        """A task that was running is unwanted: end it, if it is one of a handler's."""
        if not topic_of(self.worker, key):
            return
        with self.lock:
            is_first, self.is_looking = not self.is_looking, True
        if is_first:
            threading.Thread(target=self.look, name="framework-stop", daemon=True).start()

    def look(self) -> None:
        """Tell each task once, wait, and insist until none is left."""
        told: dict[tuple[int, Any], float] = {}  # by thread and task
        while threads := self.threads():
            for each in threads - told.keys():
                told[each] = time.monotonic()
                self.tell(*each)
            longest = time.monotonic() - min(told[each] for each in threads)
            if longest > _GRACE and self.is_free({thread for thread, _ in threads}):
                self.restart()
            time.sleep(_LOOK)

    def threads(self) -> set[tuple[int, Any]]:
        """The threads that run such a task, each with the task's key; after none the next one is noticed again."""
        with self.lock, self.worker.active_threads_lock:
            active = self.worker.active_threads.items()
            found = {(thread, key) for thread, key in active if self.is_unwanted(key)}
            self.is_looking = bool(found)
        return found

    def tell(self, thread: int, key: Any) -> None:
        """Raise an exception in a thread, if it still has the task."""
        with self.worker.active_threads_lock:
            if self.worker.active_threads.get(thread) == key:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(asyncio.CancelledError)
                )

    def is_unwanted(self, key: Any) -> bool:
        """Whether a task is a handler's, runs on, and nobody waits for it."""
        task = self.worker.state.tasks.get(key)
        return task is not None and task.state == "cancelled" and bool(topic_of(self.worker, key))

    def is_free(self, threads: set[int]) -> bool:
        """Whether nothing else would be lost with the worker: what runs on it, or what it keeps of a run."""
        others = set(self.worker.active_threads) - threads
        return not others and not any(str(key).startswith(_OWN) for key in list(self.worker.data))

    def restart(self) -> None:
        """Have the worker's nanny end it and start another."""
        if self.worker.nanny:  # else nobody would start another: a place is lost until the task ends
            nanny = self.worker.rpc(self.worker.nanny)
            self.worker.loop.add_callback(nanny.restart, reason="framework-stop")
