"""Names, labels and paths of what a cluster has at Kubernetes."""

from __future__ import annotations

import getpass
import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from framework.models import Function

MANAGED: Final = "app.kubernetes.io/managed-by"
PROJECT: Final = "framework/project"
FUNCTION: Final = "framework/function"
OWNER: Final = "framework/owner"
CLUSTER: Final = "framework/cluster"
APPLIED: Final = "framework/applied"
"""Labels of all that is made; the last two are annotations: the name as people say it, and the spec as it was made."""

GROUP: Final = "kubernetes.dask.org"
SCHEDULER_PORT: Final = 8786
DASHBOARD_PORT: Final = 8787
_LONGEST: Final = 40  # characters: the operator appends ``-default-worker-`` and ten more, and a name has 63 at most
_LONGEST_LABEL: Final = 63


def resource_name(cluster: str) -> str:
    """A cluster's name as Kubernetes takes it: a letter, then small letters, digits and hyphens; unique as it was."""
    words = re.sub(r"[^a-z0-9-]+", "-", cluster.lower()).strip("-")
    if words == cluster and len(words) <= _LONGEST and words[0].isalpha():
        return words
    words = words if words[:1].isalpha() else f"dask-{words}"
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:8]
    return f"{words[: _LONGEST - 9].rstrip('-')}-{digest}"


def labels(function: Function) -> dict[str, str]:
    """What tells whose a cluster is."""
    return {
        MANAGED: "framework",
        PROJECT: label(function.metadata.project),
        FUNCTION: label(function.metadata.name),
        OWNER: label(_user()),
    }


def label(text: str) -> str:
    """A text as the value of a label, what it cannot have left out."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST_LABEL].strip("-._")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return "unknown"


def selector(name: str, component: str = "") -> str:
    """What selects the operator's pods of a cluster."""
    return f"dask.org/cluster-name={name}" + (f",dask.org/component={component}" if component else "")


class Paths:
    """The paths of the API in a namespace.

    Args:
        namespace: Its name.
    """

    def __init__(self, namespace: str) -> None:
        self.clusters = f"/apis/{GROUP}/v1/namespaces/{namespace}/daskclusters"
        self.scalers = f"/apis/{GROUP}/v1/namespaces/{namespace}/daskautoscalers"
        self.groups = f"/apis/{GROUP}/v1/namespaces/{namespace}/daskworkergroups"
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.services = f"/api/v1/namespaces/{namespace}/services"
