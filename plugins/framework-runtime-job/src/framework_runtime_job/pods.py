"""The pod of a run: its one container, its volumes, its environment."""

from __future__ import annotations

import math
import sys
from typing import Any, Final, NamedTuple

from framework.errors import UsageError
from framework.models import Function
from framework.models.function import Volume
from framework_runtime_job import items, placement
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.options import JobOptions
from framework_runtime_job.paths import BASE, ITEMS, PARCEL, RUNNER, SUBMISSION, TERMINATION, WORK
from framework_runtime_job.settings import JobSettings

STORE: Final = "kubernetes"  # of secrets that the cluster keeps
MARK: Final = "FRAMEWORK_RUN_UID"  # tells of a process which run it belongs to
RECEIVER: Final = "receive"  # the container that waits for a parcel
_MARGIN: Final = 5  # seconds that the supervisor has beyond the run's own grace, to write the end
_ALIASES: Final = {"gpu": "nvidia.com/gpu"}
_GRACE: Final = 10.0  # seconds, as in a submission that says nothing


def image_of(function: Function, settings: JobSettings) -> str:
    """The image: the Function's, else the settings', else plain Python as it is here."""
    here = f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
    return function.spec.environment.image or settings.image or here


# Run by the container that waits: the parcel is unpacked when it is there, whole.
_RECEIVE: Final = """
import os, signal, sys, tarfile, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
while not os.path.exists(sys.argv[1] + ".tar"):
    time.sleep(0.05)
with tarfile.open(sys.argv[1] + ".tar") as archive:
    archive.extractall(sys.argv[1], **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
os.remove(sys.argv[1] + ".tar")
"""


class Sources(NamedTuple):
    """Where the pod has what it runs: the names of the ConfigMap with the runner and of the Secret with the submission.

    ``parcel`` says that more is sent to it, ``items`` names the packets of a map by their first indexes.
    """

    runner: str
    submission: str
    parcel: bool = False
    items: tuple[int, ...] = ()


def pod(
    document: dict[str, Any], function: Function, options: JobOptions, settings: JobSettings, sources: Sources
) -> dict[str, Any]:
    """The pod's spec.

    Args:
        document: The submission.
        function: The Function, with the cluster's defaults under its spec.
        options: Its options.
        settings: The kind's settings.
        sources: Where it has what it runs.
    """
    grace = (document.get("timeouts") or {}).get("grace")
    of_pod, of_container = placement.security(function.spec.placement)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image_of(function, settings),
        "command": items.command(options.python) if sources.items else [options.python, "-s", RUNNER, SUBMISSION],
        "env": variables(document, function),
        "envFrom": options.env_from,
        "workingDir": function.spec.code.workdir,
        "resources": resources(function),
        "volumeMounts": _mounts(function, sources),
        "terminationMessagePath": TERMINATION,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": function.spec.placement.image_pull_policy,
        "securityContext": of_container,
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(_GRACE if grace is None else grace) + _MARGIN,
        "activeDeadlineSeconds": math.ceil(options.deadline) if options.deadline else None,
        "containers": [{name: value for name, value in container.items() if value}],
        "initContainers": [_receiver(container)] if sources.parcel else [],
        "volumes": _volumes(function, sources),
        "securityContext": of_pod,
        **placement.scheduling(function.spec.placement, settings),
    }
    if not function.spec.placement.service_account:
        spec["automountServiceAccountToken"] = False  # the code has no business with the cluster unless it is told
    return {name: value for name, value in spec.items() if value not in (None, {}, [])}


def _receiver(container: dict[str, Any]) -> dict[str, Any]:
    """The container that waits for a parcel, in the run's own image and with its rights."""
    kept = {name: container[name] for name in ("image", "imagePullPolicy", "securityContext", "resources")}
    receiver = {
        "name": RECEIVER,
        "command": [container["command"][0], "-I", "-S", "-c", _RECEIVE, PARCEL],
        "volumeMounts": [{"name": "framework-work", "mountPath": WORK}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **kept,
    }
    return {name: value for name, value in receiver.items() if value}


def is_handlers(name: str, value: str) -> bool:
    """Whether a variable is for the handler alone: it would mislead the runner, or has a secret's placeholder in it."""
    return name == "PYTHONPATH" or "{secret:" in value


def variables(document: dict[str, Any], function: Function) -> list[dict[str, Any]]:
    """The container's variables: what the interpreter itself reads when it starts is among them.

    Those that are the handler's alone come with the submission.
    """
    secret = function.spec.environment.secrets
    found: list[dict[str, Any]] = [
        {"name": MARK, "value": document["run"]["uid"]},
        *(
            {"name": name, "value": value.replace("$(", "$$(")}  # which Kubernetes would expand
            for name, value in (document.get("env") or {}).items()
            if not is_handlers(name, value) and name not in secret
        ),
    ]
    for name, reference in secret.items():
        store, _, place = reference.partition(":")
        if store == STORE:
            found.append({"name": name, "valueFrom": {"secretKeyRef": secret_key(name, place)}})
    return found


def secret_key(variable: str, place: str) -> dict[str, str]:
    """``NAME/KEY`` as a reference to a key of a Secret.

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


def resources(function: Function) -> dict[str, dict[str, str]]:
    """Requests and limits; of what is given out whole (``vendor/thing``), the limit is the request."""
    requests = {_ALIASES.get(name, name): str(amount) for name, amount in function.spec.resources.requests.items()}
    limits = {_ALIASES.get(name, name): str(amount) for name, amount in function.spec.resources.limits.items()}
    limits = {**{name: amount for name, amount in requests.items() if "/" in name}, **limits}
    return {name: amounts for name, amounts in (("requests", requests), ("limits", limits)) if amounts}


def _mounts(function: Function, sources: Sources) -> list[dict[str, Any]]:
    ours: list[dict[str, Any]] = [
        {"name": "framework-runner", "mountPath": f"{BASE}/runner", "readOnly": True},
        {"name": "framework-submission", "mountPath": f"{BASE}/submission", "readOnly": True},
        {"name": "framework-work", "mountPath": WORK},
    ]
    if sources.items:
        ours.append({"name": "framework-items", "mountPath": ITEMS, "readOnly": True})
    for volume in function.spec.storage.volumes:
        mount = {"name": volume.name, "mountPath": volume.mount, "subPath": volume.sub_path}
        if volume.read_only:
            mount["readOnly"] = True  # type: ignore[assignment]
        ours.append({name: value for name, value in mount.items() if value})
    return ours


def _volumes(function: Function, sources: Sources) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "framework-runner", "configMap": {"name": sources.runner}},
        {"name": "framework-submission", "secret": {"secretName": sources.submission}},
        {"name": "framework-work", "emptyDir": {}},
    ]
    if sources.items:
        packets = [{"secret": {"name": items.name_of(sources.submission, first)}} for first in sources.items]
        found.append({"name": "framework-items", "projected": {"sources": packets}})
    seen: dict[str, dict[str, Any]] = {}
    for volume in function.spec.storage.volumes:  # one volume may be mounted at several places
        seen.setdefault(volume.name, {"name": volume.name, **_source(volume)})
    return found + list(seen.values())


def _source(volume: Volume) -> dict[str, Any]:
    match volume.type:
        case "pvc":
            return {"persistentVolumeClaim": {"claimName": volume.source or volume.name}}
        case "config_map":
            return {"configMap": {"name": volume.source or volume.name}}
        case "secret":
            return {"secret": {"secretName": volume.source or volume.name}}
        case "host_path":
            return {"hostPath": {"path": volume.source or volume.mount}}
        case "empty_dir":
            return {"emptyDir": {}}
