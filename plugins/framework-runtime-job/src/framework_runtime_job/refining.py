"""Who asked a run to end, where the run itself cannot know: it saw a signal only."""

from __future__ import annotations

import time

from framework.runtimes import Handle
from framework_run.events import Event
from framework_runtime_job import causes, gone
from framework_runtime_job.api import Api, Json, Refused, Unreachable
from framework_runtime_job.nodes import node_of
from framework_runtime_job.pending import ABORT
from framework_runtime_job.places import Place

_PATIENCE = 30.0  # seconds for the node to say why: a busy one reports a pod that has ended only some seconds later
_PAUSE = 0.2
_FACTS = ("state", "cause", "message", "advice")


def refined(api: Api, handle: Handle, pod: Json | None, event: Event) -> Event:
    """An end by SIGTERM with the cluster's word on who sent it.

    Args:
        api: The cluster.
        handle: The run's handle.
        pod: Its pod; None where it is gone.
        event: The runner's end, whose cause is Aborted.
    """
    try:
        job = api.find(Place(handle).job)
        if job is None or ABORT in job["metadata"].get("annotations", {}):
            return event
        pod = _settled(api, handle, pod)
        end = gone.end_of_run(api, handle, job) if pod is None else causes.disruption(pod, node_of(api, pod))
    except (Refused, Unreachable):
        return event  # as the run itself says
    if end is None or end["cause"] == "Lost":
        deleted = pod is None or "deletionTimestamp" in pod["metadata"]
        message = "its pod was deleted, and not by the framework" if deleted else event["data"]["message"]
        return {**event, "data": {**event["data"], "message": message}}
    return {**event, "data": {**event["data"], **{name: end[name] for name in _FACTS}}}


def _settled(api: Api, handle: Handle, pod: Json | None) -> Json | None:
    """The pod when it says who has ended it, or is over: its node tells some reasons only then."""
    place, deadline = Place(handle), time.monotonic() + _PATIENCE
    while pod is not None and time.monotonic() < deadline:
        known = causes.disruption(pod, None) is not None or "deletionTimestamp" in pod["metadata"]
        if known or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            break
        time.sleep(_PAUSE)
        pod = place.pod_of(api.list(place.pods, labelSelector=place.selector))
    return pod
