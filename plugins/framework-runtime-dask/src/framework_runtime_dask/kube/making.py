"""Making a DaskCluster, taking over one that is there, and waiting until its scheduler is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from framework.errors import BackendError
from framework_runtime_dask.kube import manifests, names
from framework_runtime_dask.kube.api import ApiError
from framework_runtime_dask.kube.asking import explained
from framework_runtime_dask.kube.trouble import is_ready, trouble
from framework_runtime_dask.provider import NotStartedError

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Json
    from framework_runtime_dask.kube.site import Site

LOOK: Final = 0.3  # seconds between two looks
ANSWER: Final = 60.0  # seconds for the operator to do something
_PATIENCE: Final = 900.0  # seconds for a cluster to come up, whatever it waits for


def make(site: Site, cluster: Json, scaler: list[Json]) -> tuple[Json, bool]:
    """Make a DaskCluster unless it is there.

    Args:
        site: Where.
        cluster: As it is to be.
        scaler: The autoscaler, if it has one.

    Returns:
        The object, and whether it was made here.

    Raises:
        BackendError: It cannot be made, or is there and is another.
    """
    deadline = time.monotonic() + ANSWER
    while True:
        try:
            made = site.api.create(site.paths.clusters, cluster)
        except ApiError as error:
            if not error.is_taken:
                raise explained(error, site.api) from error
        else:
            _scale(site, scaler, made)
            return made, True
        found = site.find()
        if found is not None and not found["metadata"].get("deletionTimestamp"):
            return _taken_over(site, cluster, found), False
        if time.monotonic() > deadline:
            raise BackendError(
                f"{site.title} is being deleted, and is still there",
                advice="The operator ends it: look whether it runs.",
            )
        time.sleep(LOOK)


def wait(site: Site, patience: float, pull: float | None) -> None:
    """Wait until the scheduler is ready.

    Args:
        site: The cluster.
        patience: Seconds that its pod may wait for a node.
        pull: Seconds that its image may take; see `trouble`.

    Raises:
        NotStartedError: Its pod will not be.
        BackendError: Nobody takes care of the cluster, or it was deleted.
    """
    begun = time.monotonic()
    while True:
        found = site.pods("scheduler")
        if any(map(is_ready, found)):
            return
        if end := trouble(found, patience, pull=pull):
            raise NotStartedError(end)
        _check(site, time.monotonic() - begun)
        time.sleep(LOOK)


def _check(site: Site, passed: float) -> None:
    cluster = site.find()
    if cluster is None:
        raise BackendError(f"{site.title} was deleted while it came up", advice="Run it again.")
    if not cluster.get("status", {}).get("phase") and passed > ANSWER:
        raise BackendError(
            f"nobody takes care of {site.title}: the Dask operator does not run",
            advice="Look at it: kubectl get pods -A -l app.kubernetes.io/name=dask-kubernetes-operator",
        )
    if passed > _PATIENCE:
        raise BackendError(
            f"{site.title} did not come up in {_PATIENCE:g} s",
            advice=f"Look at its pods: kubectl describe pods -l {names.selector(site.name)}",
        )


def _scale(site: Site, scaler: list[Json], made: Json) -> None:
    """Make the autoscaler, which goes with its cluster."""
    metadata = made["metadata"]
    owner = {name: made[name] for name in ("apiVersion", "kind")} | {name: metadata[name] for name in ("name", "uid")}
    for each in scaler:
        try:
            site.api.create(site.paths.scalers, {**each, "metadata": {**each["metadata"], "ownerReferences": [owner]}})
        except ApiError as error:
            site.delete()
            raise explained(error, site.api) from error


def _taken_over(site: Site, cluster: Json, found: Json) -> Json:
    """A cluster that is there already, with as many workers as are wanted now."""
    fields = manifests.differences(cluster, found)
    if fields:
        name = manifests.name_of(found)
        raise BackendError(
            f"{site.title} is there, and is another than is asked for now: {', '.join(fields[:5])}",
            advice=f"Close it: framework dask cluster close {name}, or name another: -o cluster=NAME",
        )
    wanted = cluster["spec"]["worker"]["replicas"]
    if found["spec"]["worker"].get("replicas") == wanted:
        return found
    notes = {names.APPLIED: cluster["metadata"]["annotations"][names.APPLIED]}
    return site.api.patch(site.path, {"metadata": {"annotations": notes}, "spec": {"worker": {"replicas": wanted}}})
