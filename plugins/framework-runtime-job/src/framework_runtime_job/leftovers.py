"""What ended runs have left in a namespace: Jobs that no client has cleaned up, Secrets without a Job, old archives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from framework.models.causes import ENDED
from framework.runtimes import Leftover, StateOf
from framework_runtime_job.api import Api, Json
from framework_runtime_job.names import HELD, MANAGED, RUN

_BEING_MADE: Final = 600.0  # seconds in which a Secret may be waiting for its Job
_UNUSED: Final = 86_400.0  # seconds after which an archive that no Job names is old


def leftovers(api: Api, namespace: str, state_of: StateOf) -> list[Leftover]:
    """What is left in a namespace; arguments and errors as of `framework.runtimes.Runtime.leftovers`."""
    jobs = api.list(f"/apis/batch/v1/namespaces/{namespace}/jobs", labelSelector=f"{MANAGED}=framework")
    found = list(_jobs(api, namespace, jobs, state_of))
    found += _secrets(api, namespace, {job["metadata"]["name"] for job in jobs}, state_of)
    return found + list(_archives(api, namespace, jobs))


def discard(api: Api, leftover: Leftover) -> None:
    """Remove one, and what the cluster knows to belong to it."""
    api.delete(leftover.place, propagationPolicy="Background")


def _jobs(api: Api, namespace: str, jobs: list[Json], state_of: StateOf) -> Iterator[Leftover]:
    for job in jobs:
        state = state_of(job["metadata"]["labels"].get(RUN, ""))
        kept = "ttlSecondsAfterFinished" in job["spec"]  # the cluster removes it in its time
        if state in ENDED and not kept:
            place = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['metadata']['name']}"
            yield _leftover(api, place, "Job", job, f"its run is {state}")


def _secrets(api: Api, namespace: str, jobs: set[str], state_of: StateOf) -> Iterator[Leftover]:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for secret in api.list(path, labelSelector=f"{MANAGED}=framework,{RUN}"):
        metadata = secret["metadata"]
        if metadata["name"] in jobs or metadata.get("ownerReferences"):
            continue
        if state_of(metadata["labels"][RUN]) is not None and api.age(metadata["creationTimestamp"]) > _BEING_MADE:
            yield _leftover(api, f"{path}/{metadata['name']}", "Secret", secret, "its Job was never made, or is gone")


def _archives(api: Api, namespace: str, jobs: list[Json]) -> Iterator[Leftover]:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    used = {name for job in jobs for name in _mounted(job)}
    for archive in api.list(path, labelSelector=f"{MANAGED}=framework,{HELD}"):
        metadata = archive["metadata"]
        if metadata["name"] not in used and api.age(metadata["creationTimestamp"]) > _UNUSED:
            yield _leftover(api, f"{path}/{metadata['name']}", "ConfigMap", archive, "no Job uses it")


def _mounted(job: Json) -> Iterator[str]:
    volumes: list[dict[str, Any]] = job["spec"]["template"]["spec"].get("volumes", [])
    for volume in volumes:
        if "configMap" in volume:
            yield str(volume["configMap"].get("name"))


def _leftover(api: Api, place: str, kind: str, thing: Json, reason: str) -> Leftover:
    metadata = thing["metadata"]
    return Leftover(
        place=place,
        name=f"{kind} {metadata['namespace']}/{metadata['name']}",
        run=metadata["labels"].get(RUN, ""),
        age=max(0.0, api.age(metadata["creationTimestamp"])),
        reason=reason,
    )
