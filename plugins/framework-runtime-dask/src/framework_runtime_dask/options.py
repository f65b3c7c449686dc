"""The options of the kind ``dask``: ``-o provider=address -o address=tcp://…``, or ``options`` in a function."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Factory, define


@define(kw_only=True)
class Adaptive:
    """How a cluster between ``scale.min_replicas`` and ``scale.max_replicas`` follows the work (dask's `Adaptive`).

    Args:
        interval: Between two decisions, as ``1s``.
        wait_count: How many decisions in a row a worker must be too many before it is closed.
        target_duration: How long all that waits may take, as ``5s``; less means more workers.
    """

    interval: str = "1s"
    wait_count: int = 3
    target_duration: str = "5s"


@define(kw_only=True)
class Security:
    """TLS between client, scheduler and workers.

    Args:
        temporary: For the provider ``local``: certificates are made for the cluster, and end with it.
        ca_file: Path of the PEM file with the authority that has signed all certificates.
        cert: Path of the PEM file with the client's certificate.
        key: Path of the PEM file with the client's key.
        secret: For the provider ``operator``: the Secret with ``ca.crt``, ``tls.crt`` and ``tls.key`` of the pods.
    """

    temporary: bool = False
    ca_file: str = ""
    cert: str = ""
    key: str = ""
    secret: str = ""


@define(kw_only=True)
class SchedulerPod:
    """What the scheduler's pod asks for; what the workers' ask for says ``spec.resources``.

    Args:
        requests: As ``{cpu: 100m, memory: 256Mi}``.
        limits: Likewise.
    """

    requests: dict[str, Any] = Factory(dict)
    limits: dict[str, Any] = Factory(dict)


@define(kw_only=True)
class DaskOptions:
    """Which cluster, and what its workers are like. How many workers there are says ``spec.scale``.

    Args:
        provider: ``local`` starts a cluster on this machine, ``address`` uses one that is there, ``operator`` has the
            Dask operator of a Kubernetes cluster start one.
        address: Of the scheduler, for the provider ``address``; for ``operator`` the one by which it is reached from
            here, where that is neither the service's own nor a forwarded port.
        cluster: The cluster's name, by which functions share one; the function's own name unless told.
        threads: Threads of a worker: how many runs it has at once.
        memory: Memory of a worker, as ``2GiB``; a share of the machine's unless told.
        resources: Abstract resources that each worker has and each run takes, as ``{"GPU": 1}``.
        env: Variables of the workers, and of the scheduler's pod where it has one.
        adaptive: How the number of workers follows the work.
        idle_timeout: How long a cluster without work stays, as ``5m``.
        death_timeout: How long a worker looks for a lost scheduler before it ends, as ``60s``.
        no_workers_timeout: How long a run waits for a worker that can take it, as ``5m``.
        dashboard: The address of the dashboard, as ``:8787``; none unless told.
        security: TLS.
        driver: Where the handler runs: as a task of a worker, or here, in the machine that submits it, while what it
            submits by ``context.dask_client`` runs on the workers.
        context: Of KUBECONFIG, for ``operator``, as what follows; the current one unless told.
        namespace: Where the cluster is; the context's unless told.
        image: Of Functions that name none: it has Dask and Python of the same versions as here.
        service: How the scheduler's service is made: by NodePort and LoadBalancer it is reached directly.
        scheduler: What the scheduler's pod asks for.
        env_from: ConfigMaps and Secrets whose keys are variables of the workers' pods, as ``envFrom`` of a container.
        patch: Over the DaskCluster, as the last resort: a strategic merge patch (a mapping) or a JSON patch (a list).
        spot_labels: A node with any of them may be taken away; see ``spec.placement.preemption``.
        spot_tolerations: What such nodes ask to be tolerated.
    """

    provider: Literal["local", "address", "operator"] = "local"
    address: str = ""
    cluster: str = ""
    threads: int = 1
    memory: str = ""
    resources: dict[str, float] = Factory(dict)
    env: dict[str, str] = Factory(dict)
    adaptive: Adaptive = Factory(Adaptive)
    idle_timeout: str = "5m"
    death_timeout: str = "60s"
    no_workers_timeout: str = "5m"
    dashboard: str = ""
    security: Security = Factory(Security)
    driver: Literal["worker", "client"] = "worker"
    context: str = ""
    namespace: str = ""
    image: str = ""
    service: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    scheduler: SchedulerPod = Factory(SchedulerPod)
    env_from: list[dict[str, Any]] = Factory(list)
    patch: Any = None
    spot_labels: dict[str, str] = Factory(dict)
    spot_tolerations: list[dict[str, Any]] = Factory(list)
