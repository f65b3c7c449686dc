"""The pod of a run: its one container, its volumes, its environment."""

from __future__ import annotations

import math
import sys
from typing import Any, Final, NamedTuple

from framework.models import Function
from framework.pods import parts, placement
from framework_runtime_job import items
from framework_runtime_job.names import CONTAINER
from framework_runtime_job.options import JobOptions
from framework_runtime_job.paths import BASE, ITEMS, PARCEL, RUNNER, SUBMISSION, TERMINATION, WORK
from framework_runtime_job.settings import JobSettings

MARK: Final = "FRAMEWORK_RUN_UID"  # tells of a process which run it belongs to
RECEIVER: Final = "receive"  # the container that waits for a parcel
_MARGIN: Final = 5  # seconds that the supervisor has beyond the run's own grace, to write the end
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
    needs = function.spec.resources
    of_pod, of_container = parts.security(function.spec.placement)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image_of(function, settings),
        "command": items.command(options.python) if sources.items else [options.python, "-s", RUNNER, SUBMISSION],
        "env": variables(document, function),
        "envFrom": options.env_from,
        "workingDir": function.spec.code.workdir,
        "resources": parts.resources(needs.requests, needs.limits),
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
        **placement.scheduling(function.spec.placement, settings.spot),
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
    environment = function.spec.environment
    ours = {
        name: value
        for name, value in (document.get("env") or {}).items()
        if not is_handlers(name, value) and name not in environment.secrets
    }
    return [*parts.variables({MARK: document["run"]["uid"], **ours}), *parts.secret_variables(environment.secrets)]


def _mounts(function: Function, sources: Sources) -> list[dict[str, Any]]:
    ours: list[dict[str, Any]] = [
        {"name": "framework-runner", "mountPath": f"{BASE}/runner", "readOnly": True},
        {"name": "framework-submission", "mountPath": f"{BASE}/submission", "readOnly": True},
        {"name": "framework-work", "mountPath": WORK},
    ]
    if sources.items:
        ours.append({"name": "framework-items", "mountPath": ITEMS, "readOnly": True})
    return ours + parts.mounts(function.spec.storage.volumes)


def _volumes(function: Function, sources: Sources) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "framework-runner", "configMap": {"name": sources.runner}},
        {"name": "framework-submission", "secret": {"secretName": sources.submission}},
        {"name": "framework-work", "emptyDir": {}},
    ]
    if sources.items:
        packets = [{"secret": {"name": items.name_of(sources.submission, first)}} for first in sources.items]
        found.append({"name": "framework-items", "projected": {"sources": packets}})
    return found + parts.pod_volumes(function.spec.storage.volumes)
