"""The nodes that pods are on: what they can no longer say themselves."""

from __future__ import annotations

from framework_run.ends import Ending
from framework_runtime_job import causes
from framework_runtime_job.api import Api, Json, Refused

_OVERDUE = 30.0  # seconds that a node may be late with ending what was deleted


def node_of(api: Api, pod: Json) -> Json | None:
    """A pod's node; None where it has none, it is gone, or we may not look."""
    name = pod.get("spec", {}).get("nodeName")
    try:
        return api.find(f"/api/v1/nodes/{name}") if name else None
    except Refused:
        return None


def silent_node_end(api: Api, pod: Json) -> Ending | None:
    """The end of a pod that was to be gone by now and whose node does not answer."""
    due = pod["metadata"].get("deletionTimestamp")
    if not due or api.age(due) < _OVERDUE:
        return None
    node = node_of(api, pod)
    if node is not None and causes.is_ready(node):
        return None
    return causes.lost_node(pod.get("spec", {}).get("nodeName", ""), "its pod was given up by the cluster")
