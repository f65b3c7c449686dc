"""Why a run does not begin, and from when on that is its end."""

from __future__ import annotations

import re
from typing import Any, Final

from framework.runtimes import Handle
from framework_run import ends
from framework_run.ends import Ending
from framework_runtime_job import causes, gone
from framework_runtime_job.api import Api, Json
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.places import Place

ABORT: Final = "framework/abort"
"""The annotation of a Job that somebody has asked to end: the seconds of grace."""

_PULL: Final = 600.0  # seconds in which a registry that fails may come back, unless spec.life.timeouts.image_pull says
_MAKE: Final = 10.0  # seconds in which a Secret or ConfigMap may still appear
_LATE: Final = 60.0  # seconds after which it is said that a limit was kept late
_MOUNT: Final = 30.0  # likewise for volumes
_MOUNTED: Final = ("Pulling", "Pulled", "Created", "Started")  # what a kubelet says when the volumes are there
_NO_POD: Final = "it has no pod yet"
_NO_CLAIM: Final = re.compile(r'persistentvolumeclaim "[^"]+" not found')  # the scheduler's words


def pending_end(api: Api, handle: Handle, pod: Json | None) -> Ending | None:
    """The end of a run that has not begun and will not; None while it may.

    Args:
        api: The cluster.
        handle: The run's handle.
        pod: Its pod; None where it has none.

    Raises:
        Unreachable: The cluster does not answer.
    """
    if pod is not None:
        return _of_pod(api, handle, pod)
    job = api.find(Place(handle).job)
    if job is None:
        return ends.lost(f"its Job {handle['job']} is not in the namespace {handle['namespace']} any more")
    if ABORT in job["metadata"].get("annotations", {}):
        waited = job.get("spec", {}).get("suspend")  # what had begun is not suspended (`ending.cancel`)
        how = " before it began" if waited else ", and its pod is gone with what it had to say"
        return ends.aborted(f"it was asked to end{how}")
    return _of_job(api, handle, job) or _of_controller(api, handle, job) or _too_long(api, handle, job, _NO_POD)


def _of_job(api: Api, handle: Handle, job: Json) -> Ending | None:
    """The end of a Job that is over: of who took its pod away, events tell more than it does."""
    conditions = job.get("status", {}).get("conditions", [])
    if any(each["type"] == "Complete" and each["status"] == "True" for each in conditions):
        return ends.lost("its Job is complete, and its pod is gone with what it had to say")
    end = causes.of_job(job)
    if end is None or end["cause"] == "Timeout":
        return end
    return gone.end_of_run(api, handle, job)


def _of_controller(api: Api, handle: Handle, job: Json) -> Ending | None:
    """What the Job's controller could not do."""
    selector = f"involvedObject.uid={job['metadata']['uid']},reason=FailedCreate"
    for event in api.list(Place(handle).events, fieldSelector=selector):
        if end := causes.refused_pod(event.get("message", "")):
            return end
    return None


def _of_pod(api: Api, handle: Handle, pod: Json) -> Ending | None:
    waiting = why(pod)
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    age = api.age(_scheduled(pod) or pod["metadata"]["creationTimestamp"])
    limit = handle.get("deadlines", {}).get("image_pull")
    if reason in causes.PULLING:
        final = causes.is_final_pull(reason, message) and reason != "ErrImagePull"  # its next word has the whole reason
        if final or age > (_PULL if limit is None else limit):
            return causes.image_pull(f"{reason}: {message}")
    elif reason in causes.CREATING and age > _MAKE:
        return causes.unmade(f"{reason}: {message}")
    elif _NO_CLAIM.search(message) and age > _MAKE:
        return causes.unmade(message)
    elif reason in ("ContainerCreating", "PodInitializing"):
        if limit is not None and age > limit:
            return causes.image_pull(f"its image was not there within its limit of {limit:g} s")
        if age > _MOUNT and (end := _of_mounts(api, handle, pod)):
            return end
    return _too_long(api, handle, pod, _words(waiting))


def _of_mounts(api: Api, handle: Handle, pod: Json) -> Ending | None:
    """A volume whose source is not there."""
    found = api.list(Place(handle).events, fieldSelector=f"involvedObject.uid={pod['metadata']['uid']}")
    if any(event.get("reason") in _MOUNTED for event in found):
        return None  # what was missing has come since
    for event in found:
        message = event.get("message", "")
        if event.get("reason") == "FailedMount" and "not found" in message:
            return causes.unmade(message)
    return None


def _too_long(api: Api, handle: Handle, thing: Json, why_not: str) -> Ending | None:
    limit = handle.get("deadlines", {}).get("pending")
    age = api.age(thing["metadata"]["creationTimestamp"])
    if limit is None or age <= limit:
        return None
    seen = f" (nobody looked before {age:.0f} s had passed)" if age > limit + _LATE else ""
    return _too_late(limit, seen, why_not)


def waiting_end(handle: Handle, pod: Json | None) -> Ending | None:
    """The end of a run that has not begun, when its limit of time is over: what it waits for, in the cluster's words.

    Args:
        handle: The run's handle.
        pod: Its pod; None where it has none.
    """
    limit = handle.get("deadlines", {}).get("pending")
    return None if limit is None else _too_late(limit, "", _NO_POD if pod is None else _words(why(pod)))


def _too_late(limit: float, seen: str, why_not: str) -> Ending:
    message = f"it did not begin within its limit of {limit:g} s{seen}: {why_not}"
    if why_not.startswith("Unschedulable"):
        return causes.unschedulable(message)
    if why_not.startswith(tuple(causes.PULLING)):
        return causes.image_pull(message)
    return ends.failed("Timeout", causes.line(message), "Raise --pending-timeout, or see why it waits.")


def _words(waiting: dict[str, Any]) -> str:
    """A reason and its message; of a pod that has neither nobody has said anything yet."""
    return ": ".join(filter(None, (waiting.get("reason"), waiting.get("message")))) or "its pod waits for a node"


def why(pod: Json) -> dict[str, Any]:
    """The reason and the message with which a pod waits."""
    status = pod.get("status", {})
    for each in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting: dict[str, Any] = each.get("state", {}).get("waiting", {})
        if waiting and (waiting.get("reason") != "PodInitializing" or each["name"] == CONTAINER):
            return waiting
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return {"reason": condition.get("reason", ""), "message": condition.get("message", "")}
    return {}


def _scheduled(pod: Json) -> str:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            return str(condition.get("lastTransitionTime") or "")
    return ""
