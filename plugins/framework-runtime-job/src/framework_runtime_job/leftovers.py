"""What ended runs have left in a namespace: Jobs that no client has cleaned up, Secrets without a Job, old archives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from framework.models.causes import ENDED
from framework.runtimes import Leftover, StateOf
from framework_runtime_job.api import Api, Json, Refused
from framework_runtime_job.following import status_of
from framework_runtime_job.names import ATTEMPT, HELD, MANAGED, PREFLIGHT, RUN
from framework_runtime_job.starting import last_used

_BEING_MADE: Final = 600.0  # seconds in which a Secret may be waiting for its Job
_LOOKED: Final = 900.0  # seconds after which nobody waits any more for what a pod has found that only looks
_UNUSED: Final = 86_400.0  # seconds after which an archive that no Job names is old
_OVER: Final = ("Complete", "Failed")


def leftovers(api: Api, namespace: str, state_of: StateOf) -> list[Leftover]:
    """What is left in a namespace, each with its path as its place.

    Args:
        api: The cluster.
        namespace: The namespace.
        state_of: Tells the state of a run.

    Raises:
        BackendError: It cannot be looked at.
    """
    base = f"/api/v1/namespaces/{namespace}"
    jobs = api.list(f"/apis/batch/v1/namespaces/{namespace}/jobs", labelSelector=f"{MANAGED}=framework")
    pods = api.list(f"{base}/pods", labelSelector=f"{MANAGED}=framework")
    return [
        *_jobs(api, namespace, jobs, pods, state_of),
        *_secrets(api, f"{base}/secrets", {job["metadata"]["name"] for job in jobs}, state_of),
        *_archives(api, f"{base}/configmaps", jobs),
        *_looks(api, f"{base}/pods", pods),
    ]


def _jobs(api: Api, namespace: str, jobs: list[Json], pods: list[Json], state_of: StateOf) -> Iterator[Leftover]:
    for job in jobs:
        state = state_of(job["metadata"]["labels"].get(RUN, ""))
        if state not in ENDED:
            continue
        reason = f"its run is {state}"
        if "ttlSecondsAfterFinished" in job["spec"]:  # the cluster removes it in its time
            if not _never_ends(api, job, pods):
                continue
            reason += ", and another container goes on: for the cluster it never ends"
        place = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['metadata']['name']}"
        yield _leftover(api, place, "Job", job, reason)


def _never_ends(api: Api, job: Json, pods: list[Json]) -> bool:
    """Whether a Job's time to live would be over, had its pods ended with their runs' containers."""
    conditions = job.get("status", {}).get("conditions") or []
    if any(each["type"] in _OVER and each["status"] == "True" for each in conditions):
        return False
    mine = [job["metadata"]["labels"].get(name) for name in (RUN, ATTEMPT)]
    ours = [pod for pod in pods if [pod["metadata"]["labels"].get(name) for name in (RUN, ATTEMPT)] == mine]
    ended = [status_of(pod).get("terminated", {}).get("finishedAt") for pod in ours]
    return bool(ended) and all(at and api.age(at) > job["spec"]["ttlSecondsAfterFinished"] for at in ended)


def _secrets(api: Api, path: str, jobs: set[str], state_of: StateOf) -> Iterator[Leftover]:
    for secret in api.list(path, labelSelector=f"{MANAGED}=framework,{RUN}"):
        metadata = secret["metadata"]
        if metadata["name"] in jobs or metadata.get("ownerReferences"):
            continue
        if state_of(metadata["labels"][RUN]) is not None and api.age(metadata["creationTimestamp"]) > _BEING_MADE:
            yield _leftover(api, f"{path}/{metadata['name']}", "Secret", secret, "its Job was never made, or is gone")


def _archives(api: Api, path: str, jobs: list[Json]) -> Iterator[Leftover]:
    used = {name for job in jobs for name in _mounted(job)}
    for archive in api.list(path, labelSelector=f"{MANAGED}=framework,{HELD}"):
        metadata = archive["metadata"]
        if metadata["name"] not in used and api.age(last_used(metadata)) > _UNUSED:
            yield _leftover(api, f"{path}/{metadata['name']}", "ConfigMap", archive, "no run has used it for a day")


def discard_archive(api: Api, path: str) -> None:
    """Remove an archive, unless a run has used it meanwhile.

    Raises:
        BackendError: It could not be removed.
    """
    found = api.find(path)
    if found is None or api.age(last_used(found["metadata"])) < _UNUSED:
        return
    try:
        api.delete(path, preconditions={"resourceVersion": found["metadata"]["resourceVersion"]})
    except Refused as error:
        if error.status != 409:  # noqa: PLR2004  a run is using it just now
            raise


def _mounted(job: Json) -> Iterator[str]:
    volumes: list[dict[str, Any]] = job["spec"]["template"]["spec"].get("volumes", [])
    for volume in volumes:
        if "configMap" in volume:
            yield str(volume["configMap"].get("name"))


def _looks(api: Api, path: str, pods: list[Json]) -> Iterator[Leftover]:
    """The pods of a doctor that was killed before it could remove them."""
    for pod in pods:
        metadata = pod["metadata"]
        if metadata["name"].startswith(PREFLIGHT) and api.age(metadata["creationTimestamp"]) > _LOOKED:
            yield _leftover(api, f"{path}/{metadata['name']}", "Pod", pod, "it was for one look, long ago")


def _leftover(api: Api, place: str, kind: str, thing: Json, reason: str) -> Leftover:
    metadata = thing["metadata"]
    return Leftover(
        place=place,
        name=f"{kind} {metadata['namespace']}/{metadata['name']}",
        run=metadata["labels"].get(RUN, ""),
        age=max(0.0, api.age(metadata["creationTimestamp"])),
        reason=reason,
    )
