"""Where a pod may be put: the Function's placement, and what a cluster's spot nodes ask for.

Everything here only adds. What the user wrote, selectors, affinity and tolerations, is in the result as it was written;
a contradiction (spot nodes prevented, and a selector that names them) leaves a pod that fits nowhere, and says so.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from framework.errors import UsageError
from framework.models.function import Placement
from framework_runtime_job.settings import JobSettings

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
# Fields that only a container's security context has: the API reference of Kubernetes, SecurityContext v1.
_CONTAINERS_OWN: Final = frozenset(
    {"allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem"}
)


def scheduling(placement: Placement, settings: JobSettings) -> dict[str, Any]:
    """The fields of a pod's spec that say where it may be put.

    The rule of ``preemption``, where a node is a spot node if it has any of the settings' ``spot_labels``:

    - ``none`` (or nothing): nothing is added.
    - ``allow``: the settings' ``spot_tolerations`` are added, so that spot nodes are possible.
    - ``constrain``: as ``allow``, and every alternative of the node affinity asks for a spot node as well.
    - ``prevent``: every alternative of the node affinity asks for a node that is no spot node.
    """
    affinity = deepcopy(placement.affinity)
    tolerations = deepcopy(placement.tolerations)
    if placement.preemption in ("allow", "constrain"):
        tolerations += [deepcopy(each) for each in settings.spot_tolerations if each not in tolerations]
    if placement.preemption == "constrain":
        wanted = [[_expression(name, "In", value)] for name, value in sorted(settings.spot_labels.items())]
        _require(affinity, wanted)
    elif placement.preemption == "prevent":
        _require(
            affinity, [[_expression(name, "NotIn", value) for name, value in sorted(settings.spot_labels.items())]]
        )
    found = {
        "nodeSelector": {"kubernetes.io/os": "linux", **placement.node_selector},
        "affinity": affinity,
        "tolerations": tolerations,
        "priorityClassName": placement.priority_class,
        "serviceAccountName": placement.service_account,
        "imagePullSecrets": [{"name": name} for name in placement.image_pull_secrets],
    }
    return {name: value for name, value in found.items() if value}


def check_preemption(placement: Placement, settings: JobSettings) -> None:
    """Refuse a wish about spot nodes where nobody has said which they are: it would be kept by chance only.

    Raises:
        UsageError: The settings lack what the mode needs.
    """
    needs = {"allow": "spot_tolerations", "constrain": "spot_labels", "prevent": "spot_labels"}
    name = needs.get(placement.preemption or "", "")
    if name and not getattr(settings, name):
        raise UsageError(
            f"spec.placement.preemption is {placement.preemption!r}, and {name} of this cluster are not set",
            advice=f"Say in [runtime.job] of config.toml how spot nodes are told: {name} = …",
        )


def security(placement: Placement) -> tuple[dict[str, Any], dict[str, Any]]:
    """The security contexts of the pod and of its container: each field where it belongs."""
    context = placement.security_context
    pods = {name: value for name, value in context.items() if name not in _CONTAINERS_OWN}
    return pods, {name: value for name, value in context.items() if name in _CONTAINERS_OWN}


def _expression(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"key": name, "operator": operator, "values": [value]}


def _require(affinity: dict[str, Any], alternatives: list[list[dict[str, Any]]]) -> None:
    """Ask every alternative of a node affinity for one of ``alternatives`` as well.

    A term without expressions matches no node; it is left so, because an expression would let it match some.
    """
    alternatives = [each for each in alternatives if each]
    if not alternatives:
        return
    required = affinity.setdefault("nodeAffinity", {}).setdefault(_REQUIRED, {})
    terms = required.get("nodeSelectorTerms") or []
    if not terms:
        required["nodeSelectorTerms"] = [{"matchExpressions": each} for each in alternatives]
        return
    required["nodeSelectorTerms"] = [
        {**term, "matchExpressions": [*term.get("matchExpressions", []), *each]} if any(term.values()) else term
        for term in terms
        for each in (alternatives if any(term.values()) else [[]])
    ]
