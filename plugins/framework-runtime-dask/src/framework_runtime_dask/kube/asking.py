"""What a Kubernetes cluster has and permits, before anything is made there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.errors import BackendError
from framework.runtimes import Finding
from framework_runtime_dask.kube import names
from framework_runtime_dask.kube.api import ApiError

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Api

_INSTALL: Final = (
    "Install it: helm install --repo https://helm.dask.org --create-namespace -n dask-operator "
    "--generate-name dask-kubernetes-operator"
)
_MAY: Final = (
    *((verb, names.GROUP, "daskclusters", "") for verb in ("create", "get", "list", "patch", "delete")),
    *((verb, names.GROUP, "daskautoscalers", "") for verb in ("create", "get", "patch", "delete")),
    *((verb, names.GROUP, "daskworkergroups", "") for verb in ("get", "patch")),
    ("list", "", "pods", ""),
    *((verb, "", "pods", "portforward") for verb in ("get", "create")),  # which of them, is the cluster's version's
)


def findings(api: Api, namespace: str) -> list[Finding]:
    """Whether the cluster answers, has the operator, and lets us do what is needed.

    Args:
        api: The cluster.
        namespace: Where; empty for the context's.
    """
    try:
        namespace = namespace or api.namespace
        api.get(names.Paths(namespace).clusters, limit=1)
    except BackendError as error:
        told = explained(error, api)
        return [Finding(subject="Kubernetes", ok=False, message=told.message, advice=told.advice)]
    denied = [_words(each) for each in _MAY if not _may(api, namespace, each)]
    message = f"may not: {', '.join(denied)}" if denied else "all that is needed is permitted"
    advice = "Ask for a Role with these rules in the namespace." if denied else ""
    return [
        Finding(subject="Kubernetes", ok=True, message=f"{api.server} knows Dask clusters"),
        Finding(subject=f"namespace {namespace}", ok=not denied, message=message, advice=advice),
    ]


def explained(error: BackendError, api: Api) -> BackendError:
    """An error of the API, with what it means for a Dask cluster."""
    if isinstance(error, ApiError) and error.is_missing and error.about != "namespaces":
        return BackendError(
            f"the Dask operator is not installed at {api.server}: it knows no kind DaskCluster", advice=_INSTALL
        )
    return error


def _words(rule: tuple[str, str, str, str]) -> str:
    verb, _, resource, part = rule
    return f"{verb} {resource}{'/' if part else ''}{part}"


def _may(api: Api, namespace: str, rule: tuple[str, str, str, str]) -> bool:
    verb, group, resource, part = rule
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": part}
    body = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    found = api.create(path, {**body, "spec": {"resourceAttributes": asked}})
    return bool(found["status"]["allowed"])
