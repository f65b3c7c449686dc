"""Making a DaskCluster, taking over one that is there, and waiting until its scheduler is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from framework.errors import BackendError
from framework_runtime_dask.kube import manifests, names, scaling
from framework_runtime_dask.kube.api import ApiError
from framework_runtime_dask.kube.asking import explained
from framework_runtime_dask.kube.site import ANSWER, LOOK
from framework_runtime_dask.kube.trouble import is_ready, trouble
from framework_runtime_dask.provider import NotStartedError

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Json
    from framework_runtime_dask.kube.site import Site
    from framework_runtime_dask.kube.waits import Waits

_PATIENCE: Final = 900.0  # seconds for a cluster to come up, whatever it waits for


def make(site: Site, cluster: Json, scaler: Json | None, *, rescales: bool, is_patched: bool) -> tuple[Json, bool]:
    """Make a DaskCluster unless it is there.

    Args:
        site: Where.
        cluster: As it is to be.
        scaler: The autoscaler, if it has one.
        rescales: Whether one that is there is given as many workers; else it keeps those that it has.
        is_patched: Whether a patch is in it: then it has no field that the Kubernetes cluster does not know.

    Returns:
        The object, and whether it was made here.

    Raises:
        BackendError: It cannot be made, or is there and is another.
    """
    while True:
        try:
            made = site.api.create(site.paths.clusters, cluster, strict=is_patched)
        except ApiError as error:
            if not error.is_taken:
                raise explained(error, site.api) from error
        else:
            _begin_following(site, scaler, made)
            return made, True
        found = site.settled(site.path, site.title)
        if found is None:
            continue  # the one that had the name has just gone
        _check_same(site, cluster, found)
        if rescales:
            scaling.rescale(site, cluster["spec"]["worker"]["replicas"], scaler, found)
        return found, False


def wait(site: Site, patience: float, pull: float | None, waits: Waits) -> None:
    """Wait until the scheduler is ready.

    Args:
        site: The cluster.
        patience: Seconds that its pod may wait for a node.
        pull: Seconds that its image may take; see `trouble`.
        waits: Says what it waits for meanwhile.

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
        waits.tell(site.title, found)
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


def _begin_following(site: Site, scaler: Json | None, made: Json) -> None:
    """Make the autoscaler of a cluster that was just made; without it the cluster is not what was asked for."""
    if scaler is None:
        return
    try:
        scaling.follow(site, scaler, made)
    except ApiError as error:
        site.delete()
        raise explained(error, site.api) from error


def _check_same(site: Site, cluster: Json, found: Json) -> None:
    fields = manifests.differences(cluster, found)
    if fields:
        name = manifests.name_of(found)
        raise BackendError(
            f"{site.title} is there, and is another than is asked for now: {', '.join(fields[:5])}",
            advice=f"Close it: framework dask cluster close {name}, or name another: -o cluster=NAME",
        )
