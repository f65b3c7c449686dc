"""Why pods are gone, from the events of the namespace, which outlast a pod: the API server keeps them for an hour.

Nothing else of the cluster tells it afterwards. The Job of a map has the indexes that failed and no reason of any
(a rule of ``podFailurePolicy`` with ``FailIndex`` leaves the same list), the events of a Job name none of its pods that
was taken away, and a finalizer of our own, with which pods would stay until they are read, would keep those of whom
nobody comes for, and with them the namespace, from ever going. Of an eviction by the API there is no event of its own:
such a pod and one that somebody deletes leave the same, their node's word that it stopped the container. Where that
node is closed to new pods, it is being drained.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from framework.runtimes import Handle
from framework_run import ends
from framework_run.ends import Ending
from framework_runtime_job import causes
from framework_runtime_job.api import Api, Json, Refused
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.nodes import node_of
from framework_runtime_job.places import Place

_TAINTED: Final = "TaintManagerEviction"
_MARKED: Final = "Marking for deletion"  # the same reason tells that it is not deleted after all
_KILLING: Final = "Killing"
_STOPPED: Final = f"Stopping container {CONTAINER}"
_REASONS: Final = ("Evicted", "Preempted", "Preempting", _TAINTED, "NodeNotReady", _KILLING)


def end_of(api: Api, place: Place, pod: Json) -> Ending | None:
    """Why a pod that was seen is gone; None where no event tells, or they may not be seen.

    Args:
        api: The cluster.
        place: Where it was.
        pod: As it was last seen.

    Raises:
        Unreachable: The cluster does not answer.
    """
    events = _events(api, place.events, f"involvedObject.uid={pod['metadata']['uid']}")
    return _end(events) or _stopped(api, events)


def ends_of(api: Api, handle: Handle) -> dict[int, Ending]:
    """Why pods of a run or a map are gone that nobody has seen, by the index of each; 0 for that of a run.

    Those of which no event tells are not among them; none is where events may not be seen.

    Args:
        api: The cluster.
        handle: The handle of the run, the map or one of its items.

    Raises:
        Unreachable: The cluster does not answer.
    """
    told = _told(api, handle)
    return {index: end for index, events in told.items() if (end := _end(events) or _stopped(api, events))}


def end_of_run(api: Api, handle: Handle, job: Json) -> Ending | None:
    """Why the pod of a run or of an item is gone: who took it away, by the events or else by its Job.

    Args:
        api: The cluster.
        handle: The handle.
        job: Its Job.

    Raises:
        Unreachable: The cluster does not answer.
    """
    events, of_job = _told(api, handle)[handle.get("index", 0)], causes.of_job(job)
    if of_job is not None and of_job["cause"] != "Lost":
        return _end(events) or of_job
    return _end(events) or _stopped(api, events) or of_job


def _told(api: Api, handle: Handle) -> dict[int, list[Json]]:
    """The events of pods by the index of each."""
    place = Place(handle)
    index = r"(\d+)-" if "uids" in handle or "index" in handle else "()"
    name = re.compile(f"{re.escape(place.name)}-{index}[a-z0-9]+")
    told: dict[int, list[Json]] = defaultdict(list)
    for reason in _REASONS:
        for event in _events(api, place.events, f"involvedObject.kind=Pod,reason={reason}"):
            if found := name.fullmatch(event["involvedObject"].get("name", "")):
                told[int(found[1] or 0)].append(event)
    return told


def _events(api: Api, path: str, selector: str) -> list[Json]:
    try:
        return api.list(path, fieldSelector=selector)
    except Refused:
        return []  # who may not see events is told nothing


def _end(events: Iterable[Json]) -> Ending | None:
    """What the events of one pod say together."""
    said = {event["reason"]: str(event.get("message") or event["reason"]) for event in sorted(events, key=_time_of)}
    if "Evicted" in said:
        return causes.evicted(said["Evicted"])
    if message := said.get("Preempted") or said.get("Preempting"):
        return causes.preempted(message)
    if not said.get(_TAINTED, "").startswith(_MARKED):
        return None
    if "NodeNotReady" in said:
        return causes.lost_node("", said["NodeNotReady"])
    return causes.preempted(f"its node has a taint that it does not tolerate: {said[_TAINTED]}")


def _stopped(api: Api, events: Sequence[Json]) -> Ending | None:
    """The end of a pod of which its node tells that it stopped it while it ran, and nobody why."""
    told = [event for event in events if event["reason"] == _KILLING and event.get("message") == _STOPPED]
    if not told:
        return None
    name = str((told[-1].get("source") or {}).get("host") or "")
    node = node_of(api, {"spec": {"nodeName": name}})
    if node is not None and node.get("spec", {}).get("unschedulable"):
        return causes.preempted(f"its node {name} is being drained, and has stopped it: {_STOPPED}")
    where = f"its node {name}" if name else "its node"
    message = f"its pod was deleted or evicted while it ran: {where} says {_STOPPED}"
    return ends.failed("Lost", message, "Ask who deletes pods there or evicts them by the API; then run it again.")


def _time_of(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
