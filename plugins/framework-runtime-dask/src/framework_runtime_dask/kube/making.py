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
            _begin_following(site, scaler, made)
            return made, True
        found = site.find()
        if found is not None and not found["metadata"].get("deletionTimestamp"):
            return _taken_over(site, cluster, scaler, found), False
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


def _begin_following(site: Site, scaler: list[Json], made: Json) -> None:
    """Make the autoscaler of a cluster that was just made; without it the cluster is not what was asked for."""
    try:
        for each in scaler:
            _make_scaler(site, each, made)
    except ApiError as error:
        site.delete()
        raise explained(error, site.api) from error


def _make_scaler(site: Site, scaler: Json, cluster: Json) -> None:
    """Make an autoscaler, which goes with its cluster."""
    metadata = cluster["metadata"]
    named = {name: metadata[name] for name in ("name", "uid")}
    owner = {"apiVersion": cluster["apiVersion"], "kind": cluster["kind"], **named}
    site.api.create(site.paths.scalers, {**scaler, "metadata": {**scaler["metadata"], "ownerReferences": [owner]}})


def _taken_over(site: Site, cluster: Json, scaler: list[Json], found: Json) -> Json:
    """A cluster that is there already, with as many workers as are wanted now.

    What was asked for last holds: a range of workers takes the place of a number or of another range, and a number
    ends a range.
    """
    fields = manifests.differences(cluster, found)
    if fields:
        name = manifests.name_of(found)
        raise BackendError(
            f"{site.title} is there, and is another than is asked for now: {', '.join(fields[:5])}",
            advice=f"Close it: framework dask cluster close {name}, or name another: -o cluster=NAME",
        )
    path = f"{site.paths.scalers}/{site.name}"
    if scaler:
        _follow_within(site, path, scaler[0], found)
        return found
    if site.api.find(path) is not None:
        site.api.delete(path)
    wanted = cluster["spec"]["worker"]["replicas"]
    if found["spec"]["worker"].get("replicas") == wanted:
        return found
    return site.api.patch(site.path, {"spec": {"worker": {"replicas": wanted}}})


def _follow_within(site: Site, path: str, scaler: Json, cluster: Json) -> None:
    """Let the autoscaler at a path of the API keep to other bounds, or make it."""
    there = site.api.find(path)
    if there is None:
        _make_scaler(site, scaler, cluster)
    elif there["spec"] != scaler["spec"]:
        site.api.patch(path, {"spec": scaler["spec"]})
