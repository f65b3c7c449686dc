"""What the cluster says of a map at one moment: whether it goes on, and why what has not ended will not any more.

The ends of single items are events of whoever follows (`map_following`), because each is to be known when it has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from framework.runtimes import Handle, Observation
from framework_run import ends
from framework_run.ends import Ending
from framework_runtime_job import causes, gone
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.following import begun, terminated
from framework_runtime_job.indexes import parse
from framework_runtime_job.map_pods import index_of
from framework_runtime_job.observing import is_same_place
from framework_runtime_job.pending import ABORT, pending_end
from framework_runtime_job.places import Place

_OVER: Final = ("Complete", "Failed")
_SILENT: Final = ends.aborted("it was asked to end, and its pod is gone with what it had to say")


def item_handle(handle: Handle, index: int) -> Handle:
    """The handle of one item: what finds its pod."""
    return {**{name: part for name, part in handle.items() if name != "uids"}, "index": index}


def observation(api: Api, handle: Handle) -> Observation:
    """Whether a map goes on, and the end of those of its items that have none of their own."""
    place = Place(handle)
    try:
        job = api.find(place.job)
        if job is None:
            if not is_same_place(api, handle):
                return Observation(alive=None)
            missing = ends.lost(f"its Job {place.name} is not in the namespace {handle['namespace']} any more")
            return Observation(alive=False, end=missing)
        pods = {index_of(pod): pod for pod in api.list(place.pods, labelSelector=place.selector)}
        end = _end_of_all(api, handle, job, pods, has_begun=_has_begun(job))
        if end is None:
            return Observation(alive=True)
        # What has begun and is there is to be read first; it says how it ended itself.
        idle = {at: uid for at, uid in enumerate(handle["uids"]) if at not in pods or not begun(pods[at])}
        taken = gone.ends_of(api, handle) if idle and end["cause"] == "Lost" else {}
        failed = parse(job.get("status", {}).get("failedIndexes") or "") if end["cause"] == "Aborted" else set()
        taken |= dict.fromkeys(failed, _SILENT)  # these had begun
        return Observation(alive=False, ends={uid: taken.get(at, end) for at, uid in idle.items()})
    except (Unreachable, Refused):
        return Observation(alive=None)


def is_over(api: Api, handle: Handle, pods: Mapping[int, Json], *, has_begun: bool) -> bool:
    """Whether nothing more comes of a map.

    Args:
        api: The cluster.
        handle: Its handle.
        pods: Its pods by index, those that have been read to their end left out.
        has_begun: Whether an item has.

    Raises:
        Refused, Unreachable: It cannot be looked at.
    """
    job = api.find(Place(handle).job)
    return job is None or _end_of_all(api, handle, job, pods, has_begun=has_begun) is not None


def is_asked_to_end(api: Api, handle: Handle) -> bool:
    """Whether somebody has asked the map to end."""
    job = api.find(Place(handle).job)
    return job is not None and ABORT in job["metadata"].get("annotations", {})


def _has_begun(job: Json) -> bool:
    """Whether an item has ended, by the Job's own count."""
    status = job.get("status", {})
    return bool(status.get("completedIndexes") or status.get("failedIndexes"))


def _end_of_all(api: Api, handle: Handle, job: Json, pods: Mapping[int, Json], *, has_begun: bool) -> Ending | None:
    """The end of all items that have none of their own; None while more may come."""
    if ABORT in job["metadata"].get("annotations", {}):
        going = any(begun(pod) and not terminated(pod) for pod in pods.values())
        return None if going else ends.aborted("it was asked to end before it began")
    conditions = job.get("status", {}).get("conditions", [])
    if any(each["type"] in _OVER and each["status"] == "True" for each in conditions):
        return causes.of_job(job) or ends.lost("its pod is gone, and with it what it had to say")
    if has_begun or any(begun(pod) for pod in pods.values()):
        return None
    for pod in pods.values() or [None]:
        if (end := pending_end(api, handle, pod)) is not None:
            return end
    return None
