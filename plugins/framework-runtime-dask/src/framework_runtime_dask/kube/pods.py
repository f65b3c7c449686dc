"""The pods of a cluster: what a Function's spec says of where they may be and what they are given.

The meaning of each field is that of the kind ``job``, so that the same Function runs as both.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.models import Function
    from framework.models.function import Volume

_ALIASES: Final = {"gpu": "nvidia.com/gpu"}
# Fields that only a container's security context has: the API reference of Kubernetes, SecurityContext v1.
_CONTAINERS_OWN: Final = frozenset(
    {"allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem"}
)


def check(function: Function) -> None:
    """Look offline for what cannot be rendered.

    Raises:
        UsageError: There is something; the message names the field.
    """
    preemption = function.spec.placement.preemption
    if preemption not in (None, "none"):
        raise UsageError(
            f"spec.placement.preemption is {preemption!r}, and the provider 'operator' knows no spot nodes",
            advice="Say where pods may be by spec.placement.node_selector, affinity and tolerations.",
        )
    for volume in function.spec.storage.volumes:
        if not volume.mount.startswith("/"):
            raise UsageError(
                f"the volume {volume.name!r} is mounted at {volume.mount!r}, which is no path in a pod",
                advice="Mount it at a path from the root: /…",
            )


def pod(function: Function, container: dict[str, Any], *, mounts: bool) -> dict[str, Any]:
    """A pod's spec around its one container.

    Args:
        function: The Function, whose placement and volumes hold.
        container: Name, image, args and what else is the container's own.
        mounts: Whether it has the Function's volumes.
    """
    placement = function.spec.placement
    container = {
        **container,
        "imagePullPolicy": placement.image_pull_policy,
        "securityContext": {name: it for name, it in placement.security_context.items() if name in _CONTAINERS_OWN},
        "volumeMounts": [*container.get("volumeMounts", []), *(_mounts(function) if mounts else [])],
    }
    spec = {
        "containers": [_filled(container)],
        "volumes": _volumes(function) if mounts else [],
        "nodeSelector": {"kubernetes.io/os": "linux", **placement.node_selector},
        "affinity": deepcopy(placement.affinity),
        "tolerations": deepcopy(placement.tolerations),
        "priorityClassName": placement.priority_class,
        "serviceAccountName": placement.service_account,
        "imagePullSecrets": [{"name": name} for name in placement.image_pull_secrets],
        "securityContext": {name: it for name, it in placement.security_context.items() if name not in _CONTAINERS_OWN},
    }
    # The code has no business with the Kubernetes cluster unless it is told.
    account = {} if placement.service_account else {"automountServiceAccountToken": False}
    return {**_filled(spec), **account, "enableServiceLinks": False}


def resources(requests: dict[str, Any], limits: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Requests and limits; of what is given out whole (``vendor/thing``), the limit is the request."""
    asked = {_ALIASES.get(name, name): str(amount) for name, amount in requests.items()}
    most = {_ALIASES.get(name, name): str(amount) for name, amount in limits.items()}
    most = {**{name: amount for name, amount in asked.items() if "/" in name}, **most}
    return _filled({"requests": asked, "limits": most})


def _filled(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value not in (None, "", {}, [])}


def _mounts(function: Function) -> list[dict[str, Any]]:
    return [
        _filled(
            {
                "name": volume.name,
                "mountPath": volume.mount,
                "subPath": volume.sub_path,
                "readOnly": volume.read_only or None,
            }
        )
        for volume in function.spec.storage.volumes
    ]


def _volumes(function: Function) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for volume in function.spec.storage.volumes:  # one volume may be mounted at several places
        found.setdefault(volume.name, {"name": volume.name, **_source(volume)})
    return list(found.values())


def _source(volume: Volume) -> dict[str, Any]:
    name = volume.source or volume.name
    sources: dict[str, dict[str, Any]] = {
        "pvc": {"persistentVolumeClaim": {"claimName": name}},
        "config_map": {"configMap": {"name": name}},
        "secret": {"secret": {"secretName": name}},
        "host_path": {"hostPath": {"path": volume.source or volume.mount}},
        "empty_dir": {"emptyDir": {}},
    }
    return sources[volume.type]
