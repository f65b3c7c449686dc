"""A map's parcel is sent to each pod that waits for it: some at once, beside the reading of those that run."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Final

from framework.errors import BackendError
from framework.runtimes import Handle
from framework_runtime_job.api import Api, Json
from framework_runtime_job.parcels import deliver, is_waited_for

_AT_ONCE: Final = 4  # deliveries


class Deliveries:
    """What one follower of a map delivers.

    Args:
        api: The cluster.
        handle: The map's handle.
        parcel: The file, where it lies on this machine.
    """

    def __init__(self, api: Api, handle: Handle, parcel: Path | None) -> None:
        self._api = api
        self._handle = handle
        self._parcel = parcel if "parcel" in handle else None
        self._lock = threading.Lock()
        self._taken: set[str] = set()  # names of pods that have it, get it, or have their turn soon
        self._next: deque[Json] = deque()
        self._threads = 0

    def send(self, pod: Json, *, wait: bool) -> None:
        """Send what a pod waits for, if it does and nobody here has done so.

        Args:
            pod: The pod.
            wait: The follower stays, so that it can be sent beside what else it does; else it has been sent, or has
                failed, when this returns.
        """
        name = pod["metadata"]["name"]
        if self._parcel is None or not is_waited_for(pod) or not self._parcel.exists():
            return
        with self._lock:
            if name in self._taken:
                return
            self._taken.add(name)
            self._next.append(pod)
            if wait and self._threads == _AT_ONCE:
                return
            self._threads += 1
        if wait:
            threading.Thread(target=self._work, args=(self._parcel,), daemon=True).start()
        else:
            self._work(self._parcel)

    def close(self) -> None:
        """Begin no more."""
        with self._lock:
            self._next.clear()

    def _work(self, parcel: Path) -> None:
        """Send it to one pod after another, until none is left."""
        while (pod := self._take()) is not None:
            try:
                deliver(self._api, self._handle, pod, parcel)
            except (BackendError, OSError):  # it goes on waiting, somebody else was quicker, or the map is over
                self._taken.discard(pod["metadata"]["name"])

    def _take(self) -> Json | None:
        with self._lock:
            if self._next:
                return self._next.popleft()
            self._threads -= 1
            return None
