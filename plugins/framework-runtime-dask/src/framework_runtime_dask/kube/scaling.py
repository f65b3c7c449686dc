"""How many workers a DaskCluster has: a number of them, or a range in which a DaskAutoscaler keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_runtime_dask.kube.api import ApiError

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Json
    from framework_runtime_dask.kube.site import Site


def follow(site: Site, scaler: Json, cluster: Json) -> None:
    """Make an autoscaler, which goes with its cluster; one that somebody has just made is set likewise.

    Args:
        site: Where.
        scaler: The autoscaler, as it is to be.
        cluster: The cluster's object.

    Raises:
        ApiError: The API refused it, or does not answer.
    """
    metadata = cluster["metadata"]
    named = {name: metadata[name] for name in ("name", "uid")}
    owner = {"apiVersion": cluster["apiVersion"], "kind": cluster["kind"], **named}
    owned = {**scaler, "metadata": {**scaler["metadata"], "ownerReferences": [owner]}}
    try:
        site.api.create(site.paths.scalers, owned)
    except ApiError as error:
        if not error.is_taken:
            raise
        site.api.patch(site.scaler, {"spec": scaler["spec"]})


def rescale(site: Site, wanted: int, scaler: Json | None, cluster: Json) -> None:
    """Have a cluster that is there have as many workers as are wanted now, whatever was wanted before.

    Args:
        site: Where.
        wanted: The number of workers; that of a range is the autoscaler's business.
        scaler: The autoscaler, as it is to be, where a range is wanted.
        cluster: The cluster's object.

    Raises:
        BackendError: The API refused it, does not answer, or the operator does not do its part.
    """
    there = _scaler(site)
    if scaler is None:
        if there is not None:
            site.api.delete(site.scaler)
            _scaler(site)  # until it is gone it may still set another number
        _set(site, wanted, cluster)
    elif there is None:
        follow(site, scaler, cluster)
    elif there["spec"] != scaler["spec"]:
        site.api.patch(site.scaler, {"spec": scaler["spec"]})


def _scaler(site: Site) -> Json | None:
    return site.settled(site.scaler, f"the autoscaler of {site.title}")


def _set(site: Site, wanted: int, cluster: Json) -> None:
    change = {"spec": {"worker": {"replicas": wanted}}}
    if cluster["spec"]["worker"].get("replicas") != wanted:
        site.api.patch(site.path, change)
    # An autoscaler sets the number of the group, and the cluster's own, which it leaves, tells nothing.
    group = site.api.find(site.group)
    if group is not None and group["spec"]["worker"].get("replicas") != wanted:
        site.api.patch(site.group, change)
