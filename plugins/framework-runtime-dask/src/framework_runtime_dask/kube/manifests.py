"""What a cluster is at Kubernetes: a DaskCluster, and where it follows the work a DaskAutoscaler. Pure."""

from __future__ import annotations

import json
import math
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from dask.utils import parse_bytes, parse_timedelta

from framework.errors import UsageError
from framework.pods import parts
from framework.pods.patching import patched
from framework_run.quantities import parse
from framework_runtime_dask.kube import names, pods
from framework_runtime_dask.scale import cluster_name, workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.models import Function
    from framework_runtime_dask.kube.api import Json
    from framework_runtime_dask.options import DaskOptions

_TLS: Final = "/framework/tls"  # where the Secret with the certificates is in the pods
_STARTING: Final = 600  # seconds that a scheduler may take to its first answer
# Where the operator asks whether there is work, and how much; not among the scheduler's own by default. Without it the
# operator speaks the scheduler's protocol, of its own version of Dask and without TLS.
_ROUTES: Final = [
    *(f"distributed.http.scheduler.{name}" for name in ("prometheus", "info", "json", "api")),
    *(f"distributed.http.{name}" for name in ("health", "proxy", "statics")),
]


def image_of(function: Function, options: DaskOptions) -> str:
    """The image: the Function's, else the options'.

    Raises:
        UsageError: Neither names one.
    """
    image = function.spec.environment.image or options.image
    if not image:
        here = f"dask {version('dask')} and Python {sys.version_info[0]}.{sys.version_info[1]}"
        raise UsageError(
            "spec.environment.image is empty, and the provider 'operator' starts pods",
            advice=f"Name an image with {here}, as here: --image NAME, or image in [runtime.dask] of config.toml",
        )
    return image


def manifests(function: Function, options: DaskOptions, namespace: str) -> list[Json]:
    """The objects of a Function's cluster, as `kubectl apply` takes them.

    Args:
        function: The Function.
        options: Its options.
        namespace: Where they are; empty for the context's.
    """
    cluster = cluster_name(function, options)
    name = names.resource_name(cluster)
    least, most = workers(function, unless=1)
    spec = {
        "idleTimeout": math.ceil(parse_timedelta(options.idle_timeout)),
        "scheduler": {"spec": _scheduler(function, options), "service": _service(name, options)},
        "worker": {"replicas": least, "spec": _worker(function, options, name, namespace)},
    }
    metadata = {"name": name, "labels": names.labels(function), **({"namespace": namespace} if namespace else {})}
    api = f"{names.GROUP}/v1"
    made = patched({"apiVersion": api, "kind": "DaskCluster", "metadata": metadata, "spec": spec}, options.patch)
    applied = json.dumps({"spec": made["spec"]}, sort_keys=True, separators=(",", ":"))
    notes = {**made["metadata"].get("annotations", {}), names.CLUSTER: cluster, names.APPLIED: applied}
    made = {**made, "metadata": {**made["metadata"], "annotations": notes}}
    if most <= least:
        return [made]
    follows = {"cluster": name, "minimum": least, "maximum": most}
    return [made, {"apiVersion": api, "kind": "DaskAutoscaler", "metadata": metadata, "spec": follows}]


def name_of(cluster: Json) -> str:
    """The name of a DaskCluster as people say it."""
    metadata = cluster["metadata"]
    return str(metadata.get("annotations", {}).get(names.CLUSTER) or metadata["name"])


def differences(ours: Json, theirs: Json) -> list[str]:
    """In which fields of its spec a cluster that is there is otherwise than it would be made now, as paths.

    How many workers there are is no difference: that can be changed.
    """
    before = json.loads(theirs["metadata"].get("annotations", {}).get(names.APPLIED) or "{}")
    now = json.loads(ours["metadata"]["annotations"][names.APPLIED])
    found = sorted(_differing(before, now, ""))
    return [path for path in found if path != ".spec.worker.replicas"]


def _differing(before: Any, now: Any, path: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = {*before, *now}
        return [it for key in keys for it in _differing(before.get(key), now.get(key), f"{path}.{key}")]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = zip(before, now, strict=True)
        return [it for number, (a, b) in enumerate(pairs) for it in _differing(a, b, f"{path}[{number}]")]
    return [] if before == now else [path]


def _scheduler(function: Function, options: DaskOptions) -> Json:
    variables = {
        "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": json.dumps(_ROUTES),
        "DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT": options.no_workers_timeout,
        "DASK_DISTRIBUTED__ADAPTIVE__TARGET_DURATION": options.adaptive.target_duration,
        **options.env,
    }
    secure = _tls(options)
    words = ["dask", "scheduler", "--host", "0.0.0.0"]  # noqa: S104  a pod of its own
    if secure:
        words[3:] = ["tls://0.0.0.0", *secure["args"]]
    probe = {"httpGet": {"port": "http-dashboard", "path": "/health"}}
    container = {
        "name": "scheduler",
        "image": image_of(function, options),
        "args": [*words, "--port", str(names.SCHEDULER_PORT), "--dashboard-address", f":{names.DASHBOARD_PORT}"],
        "env": parts.variables(dict(sorted(variables.items()))),
        "ports": [
            {"name": "tcp-comm", "containerPort": names.SCHEDULER_PORT, "protocol": "TCP"},
            {"name": "http-dashboard", "containerPort": names.DASHBOARD_PORT, "protocol": "TCP"},
        ],
        # A busy node may take minutes to start it: until it answers for the first time it is not ended for that.
        "startupProbe": {**probe, "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": _STARTING},
        "readinessProbe": {**probe, "periodSeconds": 1, "timeoutSeconds": 30},
        "livenessProbe": {**probe, "periodSeconds": 20, "timeoutSeconds": 30},
        "resources": parts.resources(options.scheduler.requests, options.scheduler.limits),
        "volumeMounts": secure.get("mounts", []),
    }
    return _with_volumes(pods.scheduler(function, options, container), secure)


def _worker(function: Function, options: DaskOptions, name: str, namespace: str) -> Json:
    needs = function.spec.resources
    limits = dict(needs.limits)
    if options.memory:
        limits.setdefault("memory", str(parse_bytes(options.memory)))
    secure = _tls(options)
    words = ["dask", "worker", "--name", "$(DASK_WORKER_NAME)", "--nthreads", str(options.threads), "--no-dashboard"]
    words += ["--memory-limit", str(parse_bytes(options.memory) if options.memory else _limit(limits))]
    words += ["--death-timeout", str(math.ceil(parse_timedelta(options.death_timeout)))]
    if options.resources:
        words += ["--resources", " ".join(f"{key}={much:g}" for key, much in sorted(options.resources.items()))]
    variables = {"DASK_DISTRIBUTED__WORKER__DAEMON": "False", **options.env}
    if secure:  # the operator would say tcp
        variables["DASK_SCHEDULER_ADDRESS"] = address(name, namespace, secure=True)
    container = {
        "name": "worker",
        "image": image_of(function, options),
        "args": [*words, *secure.get("args", [])],
        "env": parts.variables(dict(sorted(variables.items()))),
        "resources": parts.resources(needs.requests, limits),
        "volumeMounts": secure.get("mounts", []),
    }
    return _with_volumes(pods.worker(function, options, container), secure)


def _limit(limits: Mapping[str, Any]) -> int | str:
    """What a worker keeps to whose pod has a limit: all of it, where Dask by itself takes a thread's share of it."""
    return int(parse(limits["memory"])) if "memory" in limits else "auto"


def address(name: str, namespace: str, *, secure: bool) -> str:
    """A scheduler's address within its Kubernetes cluster; the namespace may be left out there."""
    host = f"{name}-scheduler.{namespace}.svc" if namespace else f"{name}-scheduler"
    return f"{'tls' if secure else 'tcp'}://{host}:{names.SCHEDULER_PORT}"


def _service(name: str, options: DaskOptions) -> Json:
    return {
        "type": options.service,
        "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
        "ports": [
            {"name": "tcp-comm", "protocol": "TCP", "port": names.SCHEDULER_PORT, "targetPort": "tcp-comm"},
            {"name": "http-dashboard", "protocol": "TCP", "port": names.DASHBOARD_PORT, "targetPort": "http-dashboard"},
        ],
    }


def _tls(options: DaskOptions) -> dict[str, Any]:
    """Words of the command line, the volume and its mount for the Secret with certificates; empty without TLS."""
    secret = options.security.secret
    if not secret:
        return {}
    files = {"--tls-ca-file": "ca.crt", "--tls-cert": "tls.crt", "--tls-key": "tls.key"}
    return {
        "args": [word for flag, file in files.items() for word in (flag, f"{_TLS}/{file}")],
        "mounts": [{"name": "framework-tls", "mountPath": _TLS, "readOnly": True}],
        "volume": {"name": "framework-tls", "secret": {"secretName": secret}},
    }


def _with_volumes(pod: Json, secure: dict[str, Any]) -> Json:
    return {**pod, "volumes": [*pod.get("volumes", []), secure["volume"]]} if secure else pod
