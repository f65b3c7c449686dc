"""The pods of a cluster: what a Function's spec says of where they may be and what they are given.

The meaning of each field is that of the kind ``job``, so that the same Function runs as both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.pods import parts, placement

if TYPE_CHECKING:
    from framework.models import Function
    from framework_runtime_dask.options import DaskOptions


def check(function: Function, options: DaskOptions) -> None:
    """Look offline for what cannot be rendered.

    Raises:
        UsageError: There is something; the message names the field.
    """
    placement.check_preemption(function.spec.placement, spot_nodes(options), "dask")
    parts.check_volumes(function.spec.storage.volumes)
    parts.secret_variables(function.spec.environment.secrets)


def spot_nodes(options: DaskOptions) -> placement.SpotNodes:
    """How spot nodes are told."""
    return placement.SpotNodes(options.spot_labels, options.spot_tolerations)


def scheduler(function: Function, options: DaskOptions, container: dict[str, Any]) -> dict[str, Any]:
    """The scheduler's pod around its container: it has none of the user's code, and so neither volumes nor secrets.

    Args:
        function: The Function, whose placement holds.
        options: Its options.
        container: Name, image, args and what else is the container's own.
    """
    return _pod(function, options, container, [])


def worker(function: Function, options: DaskOptions, container: dict[str, Any]) -> dict[str, Any]:
    """A worker's pod around its container, with what the user's code is given.

    Args:
        function: The Function, whose placement, volumes and secrets hold.
        options: Its options.
        container: Name, image, args and what else is the container's own.
    """
    volumes = function.spec.storage.volumes
    container = {
        **container,
        "env": [*container["env"], *parts.secret_variables(function.spec.environment.secrets)],
        "envFrom": options.env_from,
        "volumeMounts": [*container.get("volumeMounts", []), *parts.mounts(volumes)],
    }
    return _pod(function, options, container, parts.pod_volumes(volumes))


def _pod(
    function: Function, options: DaskOptions, container: dict[str, Any], volumes: list[dict[str, Any]]
) -> dict[str, Any]:
    where = function.spec.placement
    of_pod, of_container = parts.security(where)
    container = {**container, "imagePullPolicy": where.image_pull_policy, "securityContext": of_container}
    spec = {
        "containers": [parts.filled(container)],
        "volumes": volumes,
        "securityContext": of_pod,
        **placement.scheduling(where, spot_nodes(options)),
    }
    # The code has no business with the Kubernetes cluster unless it is told.
    account = {} if where.service_account else {"automountServiceAccountToken": False}
    return {**parts.filled(spec), **account, "enableServiceLinks": False}
