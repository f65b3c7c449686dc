"""What the pods of a cluster say of why it does not come up. The operator's own phase says nothing of it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from framework_run import ends
from framework_runtime_dask.kube.api import age

if TYPE_CHECKING:
    from framework_run.ends import Ending
    from framework_runtime_dask.kube.api import Json

_LONGEST: Final = 500  # characters of evidence
_PULL: Final = 600.0  # seconds in which a registry that fails may come back
_MAKE: Final = 10.0  # seconds in which a Secret or ConfigMap may still appear
_PULLING: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_UNMADE: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_WHOLE: Final = 1.0  # second: the cluster's own times have no parts of one
_KILLED: Final = "the kernel killed the pod {} for want of memory"
_RESTARTS: Final = 2  # how often a container has ended by itself until that is taken for an answer
# What a registry says when another attempt would be no better; the words of containerd, CRI-O and the registries.
_FINAL: Final = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|unauthorized|denied|forbidden|no match for platform|"
    r"InvalidImageName|couldn't parse image|invalid reference|ErrImageNeverPull|not present with pull policy",
    re.IGNORECASE,
)


def trouble(pods: list[Json], patience: float, *, pull: float | None = None) -> Ending | None:
    """The end of a run whose cluster does not come up because of one of these pods; None while it may.

    Args:
        pods: The scheduler's, or the workers'.
        patience: Seconds that a pod may wait for a node.
        pull: Seconds that an image may take; ten minutes unless told, where its registry may still come back.
    """
    for pod in pods:
        if not is_ready(pod) and (end := _of_pod(pod, patience, _PULL if pull is None else pull)):
            return end
    return None


def out_of_memory(pod: Json, since: float) -> str | None:
    """What a worker's pod says of a death: that it was for want of memory; nothing where it was for something else.

    Args:
        pod: The pod.
        since: Seconds since the epoch after which it died.

    Returns:
        None where nothing is known of a death since then.
    """
    for status in _containers(pod):
        for state in (status.get("state", {}), status.get("lastState", {})):
            ended = state.get("terminated") or {}
            if ended.get("finishedAt") and time.time() - age(ended["finishedAt"]) >= since - _WHOLE:
                return _KILLED.format(pod["metadata"]["name"]) if ended.get("reason") == "OOMKilled" else ""
    return None


def is_ready(pod: Json) -> bool:
    """Whether a pod is ready."""
    return any(it["type"] == "Ready" and it["status"] == "True" for it in pod.get("status", {}).get("conditions", []))


def _of_pod(pod: Json, patience: float, pull: float) -> Ending | None:
    name, since = pod["metadata"]["name"], age(pod["metadata"]["creationTimestamp"])
    for status in _containers(pod):
        waiting = status.get("state", {}).get("waiting", {})
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        said = f"{reason}: {message}"
        if reason in _PULLING:
            final = bool(_FINAL.search(said)) and reason != "ErrImagePull"  # its next word has the whole reason
            if final or since > pull:
                return _image(name, said)
        elif reason in _UNMADE and since > _MAKE:
            advice = "Create what the message names in the namespace, or mend the name."
            return ends.bad_input(_line(f"the pod {name} cannot be made: {said}"), advice=advice)
        if status.get("restartCount", 0) >= _RESTARTS:
            return _crashed(name, status.get("lastState", {}).get("terminated", {}))
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False" and since > patience:
            said = f"no node takes the pod {name}: {condition.get('message', '')}"
            advice = "Ask for less (spec.resources, options.scheduler), or for nodes that are there: kubectl get nodes."
            return ends.failed("Unschedulable", _line(said), advice)
    return None


def _image(name: str, said: str) -> Ending:
    advice = "Check the image's name, and whether the cluster may pull it (spec.placement.image_pull_secrets)."
    return ends.failed("ImagePull", _line(f"the pod {name} has no image: {said}"), advice)


def _crashed(name: str, ended: dict[str, Any]) -> Ending:
    if ended.get("reason") == "OOMKilled":
        return ends.out_of_memory(f"{_KILLED.format(name)}, again and again")
    words = ended.get("message") or ended.get("reason") or "it said nothing"
    said = f"the pod {name} ends again and again, with exit code {ended.get('exitCode')}: {words}"
    return ends.bad_input(_line(said), advice=f"The image needs dask and distributed: kubectl logs {name} --previous")


def _containers(pod: Json) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pod.get("status", {}).get("containerStatuses", [])
    return found


def _line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
