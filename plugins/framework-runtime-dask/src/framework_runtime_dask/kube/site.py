"""One DaskCluster where it is: its object, its pods, its scheduler."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from framework.errors import BackendError
from framework_runtime_dask.kube import names
from framework_runtime_dask.kube.trouble import is_ready

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Api, Json

LOOK: Final = 0.3  # seconds between two looks
ANSWER: Final = 60.0  # seconds for the operator to do something
# Seconds for the operator to let a deleted object go. It asks each cluster's scheduler every five seconds whether it is
# idle, and while it does it lets go of nothing: of one that does not answer that takes two connections of 30 s, and
# kopf, by which it is written, looks again whether that is over only once a minute (`cancellation_polling`).
ENDING: Final = 240.0


class Site:
    """A name in a namespace of a Kubernetes cluster.

    Args:
        api: The Kubernetes cluster.
        namespace: The namespace.
        name: The DaskCluster's.
    """

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self.api = api
        self.name = name
        self.title = f"the DaskCluster {namespace}/{name}"
        self.paths = names.Paths(namespace)
        self.path = f"{self.paths.clusters}/{name}"
        self.scaler = f"{self.paths.scalers}/{name}"
        self.group = f"{self.paths.groups}/{name}-default"

    def find(self) -> Json | None:
        """The object; None where it is not there.

        Raises:
            ApiError: The API refused it, or does not answer; as of all that follows.
        """
        return self.api.find(self.path)

    def settled(self, path: str, title: str) -> Json | None:
        """An object of the cluster; one that is being deleted is waited for.

        Args:
            path: Its path.
            title: What people call it.

        Returns:
            The object; None where it is not there, or not any more.

        Raises:
            BackendError: It is being deleted, and nobody ends it.
        """
        deadline = time.monotonic() + ENDING
        while (found := self.api.find(path)) is not None and found["metadata"].get("deletionTimestamp"):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"{title} is being deleted, and is still there",
                    advice="The operator ends it: look whether it runs.",
                )
            time.sleep(LOOK)
        return found

    def delete(self) -> None:
        """Delete it, and with it all that belongs to it."""
        self.api.delete(self.path)

    def pods(self, component: str) -> list[Json]:
        """Its pods that are not being deleted: those of the ``scheduler``, or of each ``worker``."""
        found = self.api.list(self.paths.pods, names.selector(self.name, component))
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def scheduler(self) -> str:
        """The path of the scheduler's pod.

        Raises:
            BackendError: None is ready.
        """
        for pod in self.pods("scheduler"):
            if is_ready(pod):
                return f"{self.paths.pods}/{pod['metadata']['name']}"
        raise BackendError(
            f"the scheduler of {self.title} is not ready",
            advice=f"Look at it: kubectl get pods -l {names.selector(self.name)}",
        )

    def outside(self, service: str) -> str:
        """Host and port by which a service that is there for the outside is reached.

        Args:
            service: ``NodePort`` or ``LoadBalancer``.

        Raises:
            BackendError: It has no address yet.
        """
        found = self.api.get(f"{self.paths.services}/{self.name}-scheduler")
        if service == "LoadBalancer":
            ingress = found.get("status", {}).get("loadBalancer", {}).get("ingress") or []
            if ingress:
                return f"{ingress[0].get('ip') or ingress[0].get('hostname')}:{names.SCHEDULER_PORT}"
            raise BackendError(
                f"the service of {self.title} has no address of a load balancer yet",
                advice="Wait for it, or let the port be forwarded: -o service=ClusterIP",
            )
        port = next(it["nodePort"] for it in found["spec"]["ports"] if it["name"] == "tcp-comm")
        nodes = [node for node in self.api.get("/api/v1/nodes")["items"] if is_ready(node)]
        addresses = [it for node in nodes for it in node["status"].get("addresses", [])]
        for kind in ("ExternalIP", "InternalIP"):
            for each in addresses:
                if each["type"] == kind:
                    return f"{each['address']}:{port}"
        raise BackendError("no node has an address", advice="Name the scheduler's: -o address=tcp://HOST:PORT")
