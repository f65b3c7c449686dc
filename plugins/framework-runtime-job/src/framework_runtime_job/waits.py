"""Saying why pods wait: whoever sits in front of a terminal wants to know, once a cause and not once a pod."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from framework.runtimes import Handle
from framework_runtime_job.api import Api, Json, Refused
from framework_runtime_job.causes import PULLING, line
from framework_runtime_job.parcels import is_waited_for
from framework_runtime_job.pending import why
from framework_runtime_job.places import Place

_logger = logging.getLogger(__name__)

_PATIENT: Final = 5.0  # seconds that a pod may wait before it is said
_ASK: Final = 10.0  # seconds between two questions after pods that could not be made
_NOW: Final = 60.0  # seconds for which what a kubelet says is why a pod waits
_MADE: Final = ("ContainerCreating", "PodInitializing")
_RECENT: Final = 600.0  # seconds for which what could not be made is why there is no pod: it is tried again by then


class Waits:
    """What one follower has said of the pods of a run or a map.

    Args:
        api: The cluster.
        handle: The handle.
        parcel: The file that is sent to each pod, where it lies on this machine.
    """

    def __init__(self, api: Api, handle: Handle, parcel: Path | None = None) -> None:
        self._api = api
        self._handle = handle
        self._parcel = parcel
        self._told: set[str] = set()
        self._asked_at = time.monotonic() + _PATIENT - _ASK

    def tell(self, pods: Iterable[Json], *, missing: bool) -> None:
        """Say why they do not begin yet.

        Args:
            pods: Those that are there.
            missing: Whether there are to be more.

        Raises:
            Unreachable: The cluster cannot be asked.
        """
        waiting: dict[str, list[Json]] = defaultdict(list)
        made: list[Json] = []
        for pod in pods:
            found, age = self._nothing_sent(pod) or why(pod), self._api.age(pod["metadata"]["creationTimestamp"])
            reason = found.get("reason", "")
            if found.get("message") and age > _PATIENT:
                waiting["pull" if reason in PULLING else reason].append(found)  # whose words alternate
            elif reason in _MADE and age > _ASK:
                made.append(pod)
        for about, each in waiting.items():
            self._say(about, self._who(len(each)), f"{each[0].get('reason', '')}: {each[0]['message']}")
        if (missing or made) and time.monotonic() > self._asked_at + _ASK:
            self._asked_at = time.monotonic()
            with suppress(Refused):  # who may not see events is told nothing
                if made:
                    self._tell_of_made(made)
                if missing:
                    self._tell_of_missing()

    def _nothing_sent(self, pod: Json) -> dict[str, str]:
        """That what a pod waits for lies on another machine, as a cluster would say it."""
        if "parcel" not in self._handle or not is_waited_for(pod) or (self._parcel and self._parcel.exists()):
            return {}
        told = "its code or an input is sent by the machine that started it: framework runs sync there"
        return {"reason": "NothingSent", "message": told}

    def _who(self, count: int) -> str:
        if "uids" not in self._handle:
            return f"{self._handle['job']} waits"
        return f"{count} pod{'' if count == 1 else 's'} of {self._handle['job']} wait{'s' if count == 1 else ''}"

    def _say(self, about: str, who: str, reason: str) -> None:
        if about not in self._told:
            self._told.add(about)
            _logger.warning("%s: %s", who, line(reason))

    def _tell_of_made(self, pods: list[Json]) -> None:
        """What keeps the first of these from being made; it is the same for others, more or less."""
        selector = f"involvedObject.uid={pods[0]['metadata']['uid']},type=Warning"
        for event in self._api.list(Place(self._handle).events, fieldSelector=selector):
            if self._api.age(_time_of(event)) < _NOW:
                reason = str(event.get("reason", ""))
                self._say(reason, self._who(len(pods)), f"{reason}: {event.get('message', '')}")
                return

    def _tell_of_missing(self) -> None:
        """What keeps the Job's controller from making as many pods as there are to be at once."""
        place = Place(self._handle)
        job = self._api.find(place.job)
        if job is None or job.get("status", {}).get("active", 0) >= job.get("spec", {}).get("parallelism", 1):
            return
        selector = f"involvedObject.uid={job['metadata']['uid']},reason=FailedCreate"
        for event in self._api.list(place.events, fieldSelector=selector):
            if self._api.age(_time_of(event)) < _RECENT:
                self._say("FailedCreate", f"{place.name} waits", f"no pod can be made: {event.get('message', '')}")
                return


def _time_of(event: Json) -> str:
    """When it was last so."""
    return str(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
