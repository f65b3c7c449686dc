"""The provider ``operator``: a cluster that the Dask operator of a Kubernetes cluster starts, scales and ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from dask.utils import parse_timedelta

from framework.errors import BackendError
from framework.runtimes import Finding, Leftover
from framework_run import ends
from framework_runtime_dask import security
from framework_runtime_dask.kube import asking, making, manifests, names, pods
from framework_runtime_dask.kube.api import Api, ApiError, age
from framework_runtime_dask.kube.site import LOOK, Site
from framework_runtime_dask.kube.trouble import is_ready, out_of_memory, trouble
from framework_runtime_dask.kube.waits import Waits
from framework_runtime_dask.provider import Place, Provider
from framework_runtime_dask.scale import check_memory_of_pod, is_told, workers
from framework_runtime_dask.seen import Seen

if TYPE_CHECKING:
    from framework.models import Function
    from framework_run.ends import Ending
    from framework_runtime_dask.kube.api import Json
    from framework_runtime_dask.kube.forwarding import Forward
    from framework_runtime_dask.options import DaskOptions

_TOLD: Final = 5.0  # seconds until a node has told how a container ended
_NEVER: Final = 900.0  # seconds after which a cluster whose scheduler is not ready is a leftover


class OperatorProvider(Provider):
    """Clusters on Kubernetes.

    Args:
        home: FRAMEWORK_HOME.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._apis: dict[tuple[str, str], Api] = {}
        self._forwards: dict[tuple[str, ...], Forward] = {}
        self._seen = Seen(home)
        self._waits = Waits()

    def validate(self, function: Function, options: DaskOptions) -> None:
        """Check what can be checked offline.

        Raises:
            UsageError: The scale, the memory, the image, the placement, a volume, a secret or a certificate is wrong.
        """
        workers(function, unless=1)
        check_memory_of_pod(function, options.memory)
        manifests.image_of(function, options)
        pods.check(function, options)
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
        cluster, *rest = manifests.manifests(function, options, namespace)
        site = Site(api, namespace, cluster["metadata"]["name"])
        self._seen.note(options.context, namespace)
        scaler, is_patched = rest[0] if rest else None, options.patch is not None
        made, is_ours = making.make(site, cluster, scaler, rescales=is_told(function), is_patched=is_patched)
        try:
            patience = parse_timedelta(options.no_workers_timeout)
            making.wait(site, patience, function.spec.life.timeouts.image_pull, self._waits)
        except BaseException:
            if is_ours:
                site.delete()
            raise
        place = _described(api, options.context, namespace, {**cluster, "metadata": made["metadata"]})
        paths = security.files(options.security)
        self._seen.secure(place.facts["uid"], paths)
        return attrs.evolve(place, security=paths, facts={**place.facts, "reach": options.address})

    def load(self) -> None:
        """Import the client of Kubernetes, where there has been a cluster."""
        if self._seen.all():
            import kubernetes  # noqa: F401

    def reach(self, place: Place) -> str:
        """The address of a scheduler as seen from here.

        Raises:
            BackendError: There is no way to it now.
        """
        given, service = place.facts.get("reach", ""), place.facts["service"]
        if given:
            return given
        site = self._site(place)
        if site.api.inside:
            return place.address
        scheme = place.address.partition("://")[0]
        if service != "ClusterIP":
            return f"{scheme}://{site.outside(service)}"
        key = (site.api.server, site.path)
        if key not in self._forwards:
            from framework_runtime_dask.kube.forwarding import Forward

            self._forwards[key] = Forward(site.api, site.scheduler, names.SCHEDULER_PORT)
        return f"{scheme}://{self._forwards[key].address}"

    def is_steady(self, place: Place) -> bool:
        """A port that this process forwards ends with it."""
        is_direct = place.facts.get("reach") or place.facts["service"] != "ClusterIP"
        return bool(is_direct) or self._site(place).api.inside

    def evidence(self, place: Place) -> str:
        """A DaskCluster that is not there any more is gone with all that ran on it."""
        try:
            site = self._site(place)
            found = site.find()
        except BackendError:
            return ""
        if found is None:
            return f"{site.title} is gone"
        return "" if found["metadata"]["uid"] == place.facts["uid"] else f"{site.title} has ended, and was made again"

    def without_workers(self, place: Place, patience: float) -> Ending | None:
        """Why no worker comes up, by its pods."""
        try:
            site = self._site(place)
            found = site.pods("worker")
        except BackendError:
            return None
        if any(map(is_ready, found)):
            return None
        if (end := trouble(found, patience)) is None:
            self._waits.tell(site.title, found)
        return end

    def without_scheduler(self, place: Place) -> Ending | None:
        """Why the scheduler is not up, by its pod; None where it is."""
        try:
            found = self._site(place).pods("scheduler")
        except BackendError:
            return None
        if any(map(is_ready, found)):
            return None
        return trouble(found, 0.0, pull=0.0) or ends.backend("its pod is not ready", advice="Look again in a moment.")

    def of_worker(self, place: Place, worker: str, since: float) -> str:
        """What the pods say of a worker that is gone."""
        host = worker.rpartition("/")[2].rpartition(":")[0]
        deadline = time.monotonic() + _TOLD
        while True:
            try:
                found = [pod for pod in self._site(place).pods("worker") if pod["status"].get("podIP") == host]
            except BackendError:
                return ""
            told = [why for pod in found if (why := out_of_memory(pod, since)) is not None]
            if told or not found or time.monotonic() > deadline:
                return "".join(told)
            time.sleep(LOOK)

    def findings(self, options: DaskOptions) -> list[Finding]:
        """Whether the cluster answers, has the operator, and lets us do what is needed."""
        return asking.findings(self._api(options.context), options.namespace)

    def clusters(self) -> list[Place]:
        """Those in the namespaces where runs of this installation have had some.

        Raises:
            BackendError: A Kubernetes cluster does not answer.
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
        return [attrs.evolve(place, security=self._seen.security(place.facts["uid"])) for place in found]

    def close(self, place: Place) -> None:
        """Delete the cluster, and wait until it is gone.

        Raises:
            BackendError: The API does not answer, or nobody ends it.
        """
        site = self._site(place)
        site.delete()
        site.settled(site.path, site.title)
        self._seen.forget(place.facts["uid"])

    def leftovers(self) -> list[Leftover]:
        """Clusters that never came up: their idle time never ends, because nobody can ask their scheduler."""
        found = []
        for place in self.clusters():
            site, since = self._site(place), age(place.facts["created"])
            if since > _NEVER and not any(map(is_ready, site.pods("scheduler"))):
                at = f"{place.facts['context']}|{site.path}"
                name = f"DaskCluster {place.facts['namespace']}/{site.name}"
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

    def _site(self, place: Place) -> Site:
        facts = place.facts
        return Site(self._api(facts["context"], facts["server"]), facts["namespace"], facts["name"])

    def _api(self, context: str, server: str = "") -> Api:
        if (context, server) not in self._apis:
            self._apis.setdefault((context, server), Api(context, server))
        return self._apis[(context, server)]


def _described(api: Api, context: str, namespace: str, cluster: Json) -> Place:
    """A DaskCluster as a place."""
    metadata = cluster["metadata"]
    name = metadata["name"]
    variables = cluster["spec"]["worker"]["spec"]["containers"][0].get("env", [])
    secure = any(it["name"] == "DASK_SCHEDULER_ADDRESS" for it in variables)
    return Place(
        provider="operator",
        cluster=manifests.name_of(cluster),
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
