"""Where a pod may be put: the Function's placement, and what a cluster's spot nodes ask for.

Everything here only adds. What the user wrote, selectors, affinity and tolerations, is in the result as it was written;
a contradiction (spot nodes prevented, and a selector that names them) leaves a pod that fits nowhere, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from attrs import Factory, define

from framework.errors import UsageError
from framework.models.function import Placement

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


@define(frozen=True)
class SpotNodes:
    """How the nodes of a cluster are told that may be taken away.

    Args:
        labels: A node with any of them is one.
        tolerations: What such nodes ask to be tolerated.
    """

    labels: Mapping[str, str] = Factory(dict)
    tolerations: Sequence[dict[str, Any]] = ()


def scheduling(placement: Placement, spot: SpotNodes) -> dict[str, Any]:
    """The fields of a pod's spec that say where it may be put.

    The rule of ``preemption``:

    - ``none`` (or nothing): nothing is added.
    - ``allow``: the tolerations of spot nodes are added, so that spot nodes are possible.
    - ``constrain``: as ``allow``, and every alternative of the node affinity asks for a spot node as well.
    - ``prevent``: every alternative of the node affinity asks for a node that is no spot node.
    """
    affinity = deepcopy(placement.affinity)
    tolerations = deepcopy(placement.tolerations)
    if placement.preemption in ("allow", "constrain"):
        tolerations += [deepcopy(each) for each in spot.tolerations if each not in tolerations]
    if placement.preemption == "constrain":
        wanted = [[_expression(name, "In", value)] for name, value in sorted(spot.labels.items())]
        _require(affinity, wanted)
    elif placement.preemption == "prevent":
        _require(affinity, [[_expression(name, "NotIn", value) for name, value in sorted(spot.labels.items())]])
    found = {
        "nodeSelector": {"kubernetes.io/os": "linux", **placement.node_selector},
        "affinity": affinity,
        "tolerations": tolerations,
        "priorityClassName": placement.priority_class,
        "serviceAccountName": placement.service_account,
        "imagePullSecrets": [{"name": name} for name in placement.image_pull_secrets],
    }
    return {name: value for name, value in found.items() if value}


def check_preemption(placement: Placement, spot: SpotNodes, kind: str) -> None:
    """Refuse a wish about spot nodes where nobody has said which they are: it would be kept by chance only.

    Args:
        placement: The Function's.
        spot: What ``spot_labels`` and ``spot_tolerations`` of the kind's settings say.
        kind: The kind, whose table of ``config.toml`` has them.

    Raises:
        UsageError: The settings lack what the mode needs.
    """
    needs = {"allow": "tolerations", "constrain": "labels", "prevent": "labels"}
    name = needs.get(placement.preemption or "", "")
    if name and not getattr(spot, name):
        raise UsageError(
            f"spec.placement.preemption is {placement.preemption!r}, and spot_{name} of this cluster are not set",
            advice=f"Say in [runtime.{kind}] of config.toml how spot nodes are told: spot_{name} = …",
        )


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
