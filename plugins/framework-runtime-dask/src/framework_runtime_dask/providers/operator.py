"""The provider ``operator``: a cluster that the Dask operator of a Kubernetes cluster starts, scales and ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from dask.utils import parse_timedelta

from framework.errors import BackendError
from framework.runtimes import Finding, Leftover
from framework_runtime_dask import security
from framework_runtime_dask.kube import manifests, names, pods
from framework_runtime_dask.kube.api import Api, ApiError, age
from framework_runtime_dask.kube.trouble import is_ready, trouble
from framework_runtime_dask.providers import NotStartedError, Place, Provider
from framework_runtime_dask.scale import check_memory, workers
from framework_runtime_dask.seen import Seen

if TYPE_CHECKING:
    from framework.models import Function
    from framework_run.ends import Ending
    from framework_runtime_dask.kube.api import Json
    from framework_runtime_dask.kube.forwarding import Forward
    from framework_runtime_dask.options import DaskOptions

_LOOK: Final = 0.3  # seconds between two looks at a cluster that comes up
_PATIENCE: Final = 900.0  # seconds for a cluster to come up, whatever it waits for
_ANSWER: Final = 60.0  # seconds for the operator to take note of a cluster
_NEVER: Final = 900.0  # seconds after which a cluster whose scheduler is not ready is a leftover
_INSTALL: Final = (
    "Install it: helm install --repo https://helm.dask.org --create-namespace -n dask-operator "
    "--generate-name dask-kubernetes-operator"
)
_MAY: Final = (
    ("create", names.GROUP, "daskclusters", ""),
    ("create", names.GROUP, "daskautoscalers", ""),
    ("list", "", "pods", ""),
    ("create", "", "pods", "portforward"),
)


class OperatorProvider(Provider):
    """Clusters on Kubernetes.

    Args:
        home: FRAMEWORK_HOME.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._apis: dict[str, Api] = {}
        self._forwards: dict[str, Forward] = {}
        self._seen = Seen(home)

    def validate(self, function: Function, options: DaskOptions) -> None:
        """Check what can be checked offline.

        Raises:
            UsageError: The scale, the memory, the placement or a volume does not fit.
        """
        workers(function, unless=1)
        check_memory(options.memory)
        manifests.image_of(function, options)
        pods.check(function)
        security.check(options.security, "operator")

    def render(self, function: Function, options: DaskOptions) -> Any:
        """The objects, as `kubectl apply` takes them."""
        return manifests.manifests(function, options, options.namespace)

    def ensure(self, function: Function, options: DaskOptions) -> Place:
        """The cluster of this name, made unless it is there, with a scheduler that is ready.

        Raises:
            NotStartedError: It does not come up; the error has the end of the run.
            BackendError: It cannot be made, or is there and is another.
        """
        api = self._api(options.context)
        namespace = options.namespace or api.namespace
        cluster, *scaler = manifests.manifests(function, options, namespace)
        made, is_ours = self._make(api, namespace, cluster, scaler)
        place = self._place(api, namespace, cluster, made, options)
        self._seen.note(options.context, namespace)
        limits = function.spec.life.timeouts
        try:
            self._wait(api, place, parse_timedelta(options.no_workers_timeout), limits.image_pull)
        except BaseException:
            if is_ours:
                api.delete(f"{names.Paths(namespace).clusters}/{place.facts['name']}")
            raise
        return place

    def reach(self, place: Place) -> str:
        """The address of a scheduler as seen from here.

        Raises:
            BackendError: There is no way to it now.
        """
        given = place.facts.get("reach")
        if given:
            return given
        api = self._api(place.facts["context"])
        if api.inside:
            return place.address
        service = place.facts["service"]
        if service != "ClusterIP":
            return f"{_scheme(place)}://{self._outside(api, place, service)}"
        key = f"{place.facts['context']} {place.facts['namespace']} {place.facts['name']}"
        if key not in self._forwards:
            from framework_runtime_dask.kube.forwarding import Forward

            self._forwards[key] = Forward(api, lambda: self._scheduler(api, place), names.SCHEDULER_PORT)
        return f"{_scheme(place)}://{self._forwards[key].address}"

    def is_steady(self, place: Place) -> bool:
        """A port that this process forwards ends with it."""
        is_direct = place.facts.get("reach") or place.facts["service"] != "ClusterIP"
        return bool(is_direct) or self._api(place.facts["context"]).inside

    def evidence(self, place: Place) -> str:
        """A DaskCluster that is not there any more is gone with all that ran on it."""
        try:
            found = self._find(place)
        except BackendError:
            return ""
        if found is None:
            return f"the DaskCluster {place.facts['namespace']}/{place.facts['name']} is gone"
        if found["metadata"]["uid"] != place.facts["uid"]:
            return f"the DaskCluster {place.facts['namespace']}/{place.facts['name']} has ended, and was made again"
        return ""

    def without_workers(self, place: Place, patience: float) -> Ending | None:
        """Why no worker comes up, by its pods."""
        try:
            found = self._pods(self._api(place.facts["context"]), place, "worker")
        except BackendError:
            return None
        return None if any(map(is_ready, found)) else trouble(found, patience)

    def clusters(self) -> list[Place]:
        """Those in the namespaces where runs of this installation have had some.

        Raises:
            BackendError: A cluster does not answer.
        """
        found = []
        for context, namespace in self._seen.all():
            api = self._api(context)
            try:
                items = api.list(names.Paths(namespace).clusters, f"{names.MANAGED}=framework")
            except ApiError as error:
                if error.is_missing:  # the operator has been removed
                    continue
                raise
            alive = [it for it in items if not it["metadata"].get("deletionTimestamp")]
            found += [_described(api, context, namespace, it) for it in alive]
        return found

    def close(self, place: Place) -> None:
        """Delete the cluster, and wait until its scheduler is gone.

        Raises:
            BackendError: The cluster does not answer.
        """
        api = self._api(place.facts["context"])
        api.delete(f"{names.Paths(place.facts['namespace']).clusters}/{place.facts['name']}")
        deadline = time.monotonic() + _ANSWER
        while self._find(place) is not None:
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the DaskCluster {place.facts['name']!r} is being deleted, and is still there",
                    advice="The operator ends it: look whether it runs.",
                )
            time.sleep(_LOOK)

    def findings(self, options: DaskOptions) -> list[Finding]:
        """Whether the cluster answers, has the operator, and lets us do what is needed."""
        subject = "Kubernetes"
        try:
            api = self._api(options.context)
            namespace = options.namespace or api.namespace
            api.get(names.Paths(namespace).clusters, limit=1)
        except BackendError as error:
            told = _explained(error, self._api(options.context))
            return [Finding(subject=subject, ok=False, message=told.message, advice=told.advice)]
        found = [Finding(subject=subject, ok=True, message=f"{api.server} knows Dask clusters")]
        denied = [_words(each) for each in _MAY if not _may(api, namespace, each)]
        advice = "" if not denied else "Ask for a Role with these rules in the namespace."
        message = f"may not: {', '.join(denied)}" if denied else "all that is needed is permitted"
        return [*found, Finding(subject=f"namespace {namespace}", ok=not denied, message=message, advice=advice)]

    def leftovers(self) -> list[Leftover]:
        """Clusters that never came up: their idle time never ends, because nobody can ask their scheduler."""
        found = []
        for place in self.clusters():
            api = self._api(place.facts["context"])
            since = age(place.facts["created"])
            if since > _NEVER and not any(map(is_ready, self._pods(api, place, "scheduler"))):
                path = f"{names.Paths(place.facts['namespace']).clusters}/{place.facts['name']}"
                name = f"DaskCluster {place.facts['namespace']}/{place.facts['name']}"
                at = f"{place.facts['context']}|{path}"
                found.append(Leftover(place=at, name=name, age=since, reason="its scheduler never came up"))
        return found

    def discard(self, leftover: Leftover) -> None:
        """Delete a leftover."""
        context, _, path = leftover.place.partition("|")
        self._api(context).delete(path)

    def release(self) -> None:
        """Let go of the ports that are forwarded."""
        while self._forwards:
            self._forwards.popitem()[1].close()

    def _api(self, context: str) -> Api:
        if context not in self._apis:
            self._apis.setdefault(context, Api(context))
        return self._apis[context]

    def _make(self, api: Api, namespace: str, cluster: Json, scaler: list[Json]) -> tuple[Json, bool]:
        """The DaskCluster, and whether it was made here."""
        paths, name = names.Paths(namespace), cluster["metadata"]["name"]
        deadline = time.monotonic() + _ANSWER
        while True:
            try:
                made = api.create(paths.clusters, cluster)
            except ApiError as error:
                if not error.is_taken:
                    raise _explained(error, api) from error
            else:
                self._scale_by(api, paths, scaler, made)
                return made, True
            found = api.find(f"{paths.clusters}/{name}")
            if found is not None and not found["metadata"].get("deletionTimestamp"):
                return self._taken_over(api, paths, cluster, found), False
            if time.monotonic() > deadline:
                raise BackendError(f"the DaskCluster {name!r} is being deleted, and is still there")
            time.sleep(_LOOK)

    def _scale_by(self, api: Api, paths: names.Paths, scaler: list[Json], made: Json) -> None:
        """Make the autoscaler, which goes with its cluster."""
        metadata = made["metadata"]
        owner = {
            "apiVersion": made["apiVersion"],
            "kind": made["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        for each in scaler:
            try:
                api.create(paths.scalers, {**each, "metadata": {**each["metadata"], "ownerReferences": [owner]}})
            except ApiError as error:
                api.delete(f"{paths.clusters}/{metadata['name']}")
                raise _explained(error, api) from error

    def _taken_over(self, api: Api, paths: names.Paths, cluster: Json, found: Json) -> Json:
        """A cluster that is there already, with as many workers as are wanted now.

        Raises:
            BackendError: It is another than would be made now.
        """
        name = cluster["metadata"]["name"]
        fields = manifests.differences(cluster, found)
        if fields:
            raise BackendError(
                f"the DaskCluster {name!r} is there, and is another than is asked for now: {', '.join(fields[:5])}",
                advice=f"Close it: framework dask cluster close {_logical(found)}, or name another: -o cluster=NAME",
            )
        wanted = cluster["spec"]["worker"]["replicas"]
        if found["spec"]["worker"].get("replicas") == wanted:
            return found
        notes = {names.APPLIED: cluster["metadata"]["annotations"][names.APPLIED]}
        change = {"metadata": {"annotations": notes}, "spec": {"worker": {"replicas": wanted}}}
        return api.patch(f"{paths.clusters}/{name}", change)

    def _place(self, api: Api, namespace: str, cluster: Json, made: Json, options: DaskOptions) -> Place:
        paths = security.files(options.security)
        place = _described(api, options.context, namespace, {**cluster, "metadata": made["metadata"]})
        return attrs.evolve(place, security=paths, facts={**place.facts, "reach": options.address})

    def _wait(self, api: Api, place: Place, patience: float, pull: float | None) -> None:
        """Wait until the scheduler is ready.

        Raises:
            NotStartedError: Its pod will not be.
            BackendError: Nobody takes care of the cluster, or it was deleted.
        """
        begun = time.monotonic()
        while True:
            found = self._pods(api, place, "scheduler")
            if any(map(is_ready, found)):
                return
            if end := trouble(found, patience, pull=pull):
                raise NotStartedError(end)
            cluster = self._find(place)
            if cluster is None:
                raise BackendError(f"the DaskCluster {place.facts['name']!r} was deleted while it came up")
            passed = time.monotonic() - begun
            if not cluster.get("status", {}).get("phase") and passed > _ANSWER:
                raise BackendError(
                    f"nobody takes care of the DaskCluster {place.facts['name']!r}: the operator does not run",
                    advice="Look at it: kubectl get pods -A -l app.kubernetes.io/name=dask-kubernetes-operator",
                )
            if passed > _PATIENCE:
                raise BackendError(f"the DaskCluster {place.facts['name']!r} did not come up in {_PATIENCE:g} s")
            time.sleep(_LOOK)

    def _find(self, place: Place) -> Json | None:
        path = f"{names.Paths(place.facts['namespace']).clusters}/{place.facts['name']}"
        return self._api(place.facts["context"]).find(path)

    def _pods(self, api: Api, place: Place, component: str) -> list[Json]:
        found = api.list(names.Paths(place.facts["namespace"]).pods, names.selector(place.facts["name"], component))
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def _scheduler(self, api: Api, place: Place) -> str:
        """The path of the scheduler's pod.

        Raises:
            BackendError: There is none that is ready.
        """
        for pod in self._pods(api, place, "scheduler"):
            if is_ready(pod):
                return f"{names.Paths(place.facts['namespace']).pods}/{pod['metadata']['name']}"
        raise BackendError(f"the scheduler of {place.cluster!r} is not ready")

    def _outside(self, api: Api, place: Place, service: str) -> str:
        """Host and port of a service that is there for the outside.

        Raises:
            BackendError: It has no address yet, or nodes may not be looked at.
        """
        path = f"{names.Paths(place.facts['namespace']).services}/{place.facts['name']}-scheduler"
        found = api.get(path)
        if service == "LoadBalancer":
            ingress = found.get("status", {}).get("loadBalancer", {}).get("ingress") or []
            if ingress:
                return f"{ingress[0].get('ip') or ingress[0].get('hostname')}:{names.SCHEDULER_PORT}"
            raise BackendError(
                f"the service {place.facts['name']}-scheduler has no address of a load balancer yet",
                advice="Wait for it, or let the port be forwarded: -o service=ClusterIP",
            )
        port = next(it["nodePort"] for it in found["spec"]["ports"] if it["name"] == "tcp-comm")
        nodes = [node for node in api.get("/api/v1/nodes")["items"] if is_ready(node)]
        addresses = [it for node in nodes for it in node["status"].get("addresses", [])]
        for kind in ("ExternalIP", "InternalIP"):
            for each in addresses:
                if each["type"] == kind:
                    return f"{each['address']}:{port}"
        raise BackendError("no node has an address", advice="Name the scheduler's: -o address=tcp://HOST:PORT")


def _described(api: Api, context: str, namespace: str, cluster: Json) -> Place:
    """A DaskCluster as a place."""
    metadata = cluster["metadata"]
    name = metadata["name"]
    variables = cluster["spec"]["worker"]["spec"]["containers"][0].get("env", [])
    secure = any(it["name"] == "DASK_SCHEDULER_ADDRESS" for it in variables)
    return Place(
        provider="operator",
        cluster=_logical(cluster),
        address=manifests.address(name, namespace, secure=secure),
        security={},
        facts={
            "context": context,
            "server": api.server,
            "namespace": namespace,
            "name": name,
            "uid": metadata["uid"],
            "created": metadata["creationTimestamp"],
            "service": cluster["spec"]["scheduler"]["service"]["type"],
            "dashboard": f"http://{name}-scheduler.{namespace}.svc:{names.DASHBOARD_PORT}/status",
        },
    )


def _logical(cluster: Json) -> str:
    """The name of a cluster as people say it."""
    metadata = cluster["metadata"]
    return str(metadata.get("annotations", {}).get(names.CLUSTER) or metadata["name"])


def _scheme(place: Place) -> str:
    return place.address.partition("://")[0]


def _explained(error: BackendError, api: Api) -> BackendError:
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
