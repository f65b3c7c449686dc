"""Ending tasks of a handler that was asked to end: Dask forgets them, and their code runs on.

Part of what runs in the process of a Dask worker (`framework_runtime_dask.seed`). Each is told by an exception in its
thread, which Python raises between two of its own steps. What is deaf to that, because it is in a call that does not
return or catches everything, ends with its worker, which its nanny starts again.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from typing import Any

from framework_runtime_dask.taps import topic_of

_LOOK = 0.1  # seconds between two looks at what goes on
_OWN = "framework-"  # what keys of runs begin with


class Stopper:
    """Ends the tasks of handlers on one worker.

    Args:
        worker: The worker.
        uids: The runs of the handlers.
        grace: Seconds that a task has to end by itself when it was told.
    """

    def __init__(self, worker: Any, uids: list[str], grace: float) -> None:
        self.worker = worker
        self.topics = tuple(f"framework-tasks-{uid}-" for uid in uids)
        self.grace = grace

    def open(self) -> None:
        """Begin, where there is anything to be ended."""
        if self.threads():
            threading.Thread(target=self.look, name="framework-stop", daemon=True).start()

    def look(self) -> None:
        """Tell each task once, wait, and insist until none is left."""
        told: set[int] = set()
        deadline = time.monotonic() + self.grace
        while threads := self.threads():
            for thread in threads - told:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(asyncio.CancelledError)
                )
            told |= threads
            if time.monotonic() > deadline and self.is_free(threads):
                self.restart()
                return
            time.sleep(_LOOK)

    def threads(self) -> set[int]:
        """The threads that run such a task."""
        with self.worker.active_threads_lock:
            active = dict(self.worker.active_threads)
        return {thread for thread, key in active.items() if topic_of(self.worker, key).startswith(self.topics)}

    def is_free(self, threads: set[int]) -> bool:
        """Whether nothing else would be lost with the worker: what runs on it, or what it keeps of a run."""
        others = set(self.worker.active_threads) - threads
        return not others and not any(str(key).startswith(_OWN) for key in list(self.worker.data))

    def restart(self) -> None:
        """Have the worker's nanny end it and start another."""
        if self.worker.nanny:  # else nobody would start another: a place is lost until the task ends
            nanny = self.worker.rpc(self.worker.nanny)
            self.worker.loop.add_callback(nanny.restart, reason="framework-abort")
