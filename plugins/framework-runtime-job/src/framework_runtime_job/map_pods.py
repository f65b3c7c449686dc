"""The pods of a map, as a list and a watch tell them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from framework.errors import BackendError
from framework_runtime_job.api import Api, Json
from framework_runtime_job.names import INDEX
from framework_runtime_job.places import Place
from framework_runtime_job.streams import Stream

_KEPT: Final = ("name", "creationTimestamp", "deletionTimestamp", "uid")  # of a pod's metadata


class Pods:
    """The pods of a map by index, each until it is forgotten. One that was deleted stays as it was last seen.

    Args:
        api: The cluster.
        place: Where the map is.
    """

    def __init__(self, api: Api, place: Place) -> None:
        self._api = api
        self._place = place
        self._stream: Stream | None = None
        self._rest = b""
        self.there: dict[int, Json] = {}
        self.gone: set[int] = set()  # of those, the ones that are deleted
        self._forgotten: set[int] = set()

    def look(self) -> None:
        """List them anew.

        Raises:
            Refused, Unreachable: They cannot be listed.
        """
        self.close()
        found = self._api.get(self._place.pods, labelSelector=self._place.selector)
        seen = set()
        for pod in found["items"]:
            seen.add(self._take(pod))
        self.gone |= self.there.keys() - seen
        version = found["metadata"]["resourceVersion"]
        query = {"watch": "true", "labelSelector": self._place.selector, "resourceVersion": version}
        self._begin = lambda: self._api.stream(self._place.pods, **query, timeoutSeconds="60")

    def changes(self) -> bool:
        """Take what the watch has told since; whether they have to be listed anew."""
        if self._stream is None:
            self._stream, self._rest = Stream(self._begin), b""
        try:
            while data := self._stream.take(0):
                *lines, self._rest = (self._rest + data).split(b"\n")
                if not all(self._changed(json.loads(line)) for line in lines):
                    return True
        except BackendError:
            return True
        return self._stream.ended

    def forget(self, index: int) -> None:
        """Nothing of this one is of interest any more."""
        self._forgotten.add(index)
        self.there.pop(index, None)
        self.gone.discard(index)

    def waiting(self) -> Iterator[tuple[int, Json]]:
        """Those that are there, the first index first."""
        yield from sorted(self.there.items())

    def close(self) -> None:
        """Let go of the watch."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _changed(self, change: Json) -> bool:
        """Take one change; False where the watch has failed: its version is too old, or the server restarts."""
        if change["type"] == "ERROR":
            return False
        index = self._take(change["object"])
        if change["type"] == "DELETED" and index in self.there:
            self.gone.add(index)
        return True

    def _take(self, pod: Json) -> int:
        index = index_of(pod)
        if index not in self._forgotten:
            self.there[index] = _slim(pod)
        return index


def index_of(pod: Json) -> int:
    """Which item a pod runs."""
    metadata: dict[str, Any] = pod["metadata"]
    return int((metadata.get("labels") or {}).get(INDEX) or metadata["annotations"][INDEX])


def _slim(pod: Json) -> Json:
    """What is looked at of a pod; there may be many."""
    spec = pod.get("spec", {})
    containers = [
        {name: each.get(name) for name in ("name", "command", "resources") if name in each}
        for each in spec.get("containers", [])
    ]
    waiting = [{"name": each["name"], "command": each.get("command")} for each in spec.get("initContainers", [])]
    kept: Json = {"nodeName": spec.get("nodeName", ""), "containers": containers, "initContainers": waiting}
    metadata = {name: pod["metadata"][name] for name in _KEPT if name in pod["metadata"]}
    return {"metadata": metadata, "spec": kept, "status": pod.get("status", {})}
