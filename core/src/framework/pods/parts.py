"""What a pod and its container are given: variables, secrets, resources, volumes, rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from framework.errors import UsageError
from framework_run.secrets import GIVEN

if TYPE_CHECKING:
    from framework.models.function import Placement, Volume

STORE: Final = "kubernetes"
"""The store of secrets that the cluster itself keeps: ``kubernetes:SECRET/KEY``."""

_ALIASES: Final = {"gpu": "nvidia.com/gpu"}
# Fields that only a container's security context has: the API reference of Kubernetes, SecurityContext v1.
_CONTAINERS_OWN: Final = frozenset(
    {"allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem"}
)


def filled(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a manifest without its empty fields; 0 and false are kept."""
    return {name: value for name, value in part.items() if value not in (None, "", {}, [])}


def variables(env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Variables of a container, their values as they are: Kubernetes would expand ``$(NAME)`` in them."""
    return [{"name": name, "value": value.replace("$(", "$$(")} for name, value in env.items()]


def secret_variables(secrets: Mapping[str, str]) -> list[dict[str, Any]]:
    """Variables of a container whose values the cluster keeps.

    Args:
        secrets: ``spec.environment.secrets``; those of other stores are passed over.

    Raises:
        UsageError: A reference names no key.
    """
    found = []
    for name, reference in secrets.items():
        store, _, place = reference.partition(":")
        if store == STORE:
            found.append({"name": name, "valueFrom": {"secretKeyRef": secret_key(name, place)}})
    return found


def secret_key(variable: str, place: str) -> dict[str, str]:
    """``NAME/KEY`` as a reference to a key of a Secret.

    Args:
        variable: The variable that is to have its value.
        place: What a reference says behind ``kubernetes:``.

    Raises:
        UsageError: It is not of that form.
    """
    name, slash, key = place.partition("/")
    if not name or not slash or not key:
        raise UsageError(
            f"spec.environment.secrets.{variable} is 'kubernetes:{place}', which names no key",
            advice="Write kubernetes:SECRET/KEY.",
        )
    return {"name": name, "key": key}


def given(references: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The part ``secrets`` of a submission for a container with `secret_variables`: the runner only masks these."""
    return {
        variable: {**reference, "key": variable, "target": GIVEN} if reference["store"] == STORE else reference
        for variable, reference in references.items()
    }


def resources(requests: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Requests and limits; of what is given out whole (``vendor/thing``), the limit is the request.

    Args:
        requests: Amounts by name; ``gpu`` is ``nvidia.com/gpu``.
        limits: Likewise.
    """
    asked = {_ALIASES.get(name, name): str(amount) for name, amount in requests.items()}
    most = {_ALIASES.get(name, name): str(amount) for name, amount in limits.items()}
    most = {**{name: amount for name, amount in asked.items() if "/" in name}, **most}
    return filled({"requests": asked, "limits": most})


def check_volumes(volumes: Iterable[Volume]) -> None:
    """Refuse a volume at a place that no pod has.

    Raises:
        UsageError: It is mounted at a path that does not begin at the root.
    """
    for volume in volumes:
        if not volume.mount.startswith("/"):
            raise UsageError(
                f"the volume {volume.name!r} is mounted at {volume.mount!r}, which is no path in a pod",
                advice="Mount it at a path from the root: /…",
            )


def mounts(volumes: Iterable[Volume]) -> list[dict[str, Any]]:
    """Where a container has the volumes of a Function."""
    return [
        filled(
            {
                "name": volume.name,
                "mountPath": volume.mount,
                "subPath": volume.sub_path,
                "readOnly": volume.read_only or None,
            }
        )
        for volume in volumes
    ]


def pod_volumes(volumes: Iterable[Volume]) -> list[dict[str, Any]]:
    """The volumes of the pod around it: one for each name, which may be mounted at several places."""
    found: dict[str, dict[str, Any]] = {}
    for volume in volumes:
        found.setdefault(volume.name, {"name": volume.name, **_source(volume)})
    return list(found.values())


def _source(volume: Volume) -> dict[str, Any]:
    name = volume.source or volume.name
    match volume.type:
        case "pvc":
            return {"persistentVolumeClaim": {"claimName": name}}
        case "config_map":
            return {"configMap": {"name": name}}
        case "secret":
            return {"secret": {"secretName": name}}
        case "host_path":
            return {"hostPath": {"path": volume.source or volume.mount}}
        case "empty_dir":
            return {"emptyDir": {}}


def security(placement: Placement) -> tuple[dict[str, Any], dict[str, Any]]:
    """The security contexts of the pod and of its container: each field where it belongs."""
    context = placement.security_context
    pods = {name: value for name, value in context.items() if name not in _CONTAINERS_OWN}
    return pods, {name: value for name, value in context.items() if name in _CONTAINERS_OWN}
