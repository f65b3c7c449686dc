"""What a run has at the cluster: one Job an attempt, a Secret with the submission, and the runner that all share."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Final

from framework.errors import UsageError
from framework.models import Function
from framework.pods import parts
from framework.pods.patching import patched
from framework.pods.placement import check_preemption
from framework_runtime_job.names import HELD, MANAGED, job_name, labels_of
from framework_runtime_job.options import JobOptions
from framework_runtime_job.paths import BASE, TERMINATION, WORK
from framework_runtime_job.pods import Sources, is_handlers, pod
from framework_runtime_job.settings import JobSettings

ABORT: Final = f"{WORK}/abort"
KEPT: Final = f"{WORK}/kept"
_INLINE: Final = "framework_run.inlinestore:Store"
_REPLICAS: Final = "spec.scale.replicas"
_MARGIN: Final = 30  # seconds in which a run says its end before its Job is ended
_ROOM: Final = 500  # pods of a map that are there at once unless it says how many: more only wait, at a cost to all


def options_of(function: Function) -> JobOptions:
    """A Function's options as an object.

    Raises:
        DocumentError: They do not fit.
    """
    from framework.documents.converters import structure

    return structure(dict(function.spec.options), JobOptions, source="spec.options", at="$.spec.options")


def check(function: Function, settings: JobSettings) -> JobOptions:
    """Look offline for what cannot be rendered.

    Raises:
        UsageError: There is something; the message names the field.
    """
    options = options_of(function)
    check_preemption(function.spec.placement, settings.spot, "job")
    replicas = function.spec.scale.replicas
    if replicas is not None and replicas > 1:
        raise UsageError(
            f"{_REPLICAS} is {replicas}: a run of the kind job is one pod",
            advice=f"Leave it out for this run: --set {_REPLICAS}=1",
        )
    workdir = function.spec.code.workdir
    if workdir and not workdir.startswith("/"):
        raise UsageError(
            f"spec.code.workdir is {workdir!r}, which is no path in a pod", advice="Write it from the root: /…"
        )
    parts.check_volumes(function.spec.storage.volumes)
    for volume in function.spec.storage.volumes:
        if volume.mount.rstrip("/") in ("", BASE):
            raise UsageError(
                f"the volume {volume.name!r} is mounted at {volume.mount!r}, which is no place for it",
                advice=f"Mount it at a path from the root, other than {BASE}.",
            )
    return options


def for_pod(document: dict[str, Any], *, detached: bool, options: JobOptions) -> dict[str, Any]:
    """The submission as the runner in the pod reads it.

    Args:
        document: As it was planned.
        detached: Nobody follows it: its log is kept within limits by the runner.
        options: The Function's.
    """
    carrier: dict[str, Any] = {
        "type": "frames",
        "digest": True,
        "termination": TERMINATION,
        "scratch": WORK,
        "abort": ABORT,
    }
    if detached:
        carrier["log"] = {"first": options.log_first, "last": options.log_last}
    artifacts = document.get("artifacts") or {}
    if options.keep and (artifacts.get("storage") or {}).get("target") == _INLINE:
        carrier["hold"] = {"folder": KEPT, "seconds": options.keep}
        artifacts = {**artifacts, "storage": {"target": _INLINE, "options": {"keep": KEPT}}}
    env = document.get("env") or {}
    return {
        **{name: part for name, part in document.items() if name != "record"},
        "carrier": carrier,
        "artifacts": artifacts,
        "env": {name: value for name, value in env.items() if is_handlers(name, value)},
        "secrets": parts.given(document.get("secrets") or {}),
        "environments": f"{WORK}/envs",
    }


def runner(name: str, data: bytes | None) -> dict[str, Any]:
    """The ConfigMap with the archive: named by its hash, never changed, shared by the runs of a namespace."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {MANAGED: "framework", HELD: name.rpartition("-")[2]}},
        "immutable": True,
        **({} if data is None else {"binaryData": {"runner.pyz": base64.b64encode(data).decode()}}),
    }


def secret(document: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """The Secret with the submission: parameters may be nobody else's business."""
    text = json.dumps(document, separators=(",", ":"))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": job_name(document["run"]), "labels": labels},
        "type": "Opaque",
        "immutable": True,
        "stringData": {"submission.json": text},
    }


_ALONE: Final = {
    "backoffLimit": 0,
    "completions": 1,
    "parallelism": 1,
    "podFailurePolicy": {
        "rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    },
}
"""One pod. The rule lets the Job fail with the reason of a disruption; without it that would be gone with the pod."""


def indexed(count: int, parallelism: int) -> dict[str, Any]:
    """A pod for each of ``count`` items, at most ``parallelism`` at once: what becomes of one is nothing to others."""
    return {
        "completionMode": "Indexed",
        "backoffLimitPerIndex": 0,
        "completions": count,
        "parallelism": min(count, parallelism or _ROOM),
    }


def _deadline(document: dict[str, Any], options: JobOptions) -> dict[str, int]:
    """When the cluster itself ends a Job, where it has limits for both phases: after their sum, so also unwatched.

    Of one limit alone nothing can be said to it, because it counts both phases as one. The runner and whoever follows
    are quicker; this is what holds when nobody looks.
    """
    limits = document.get("timeouts") or {}
    pending, run = limits.get("pending"), limits.get("run")
    if pending is None or run is None:
        return {}
    rest = (limits.get("grace") or 0.0) + (options.keep or 0.0) + _MARGIN
    return {"activeDeadlineSeconds": math.ceil(pending + run + rest)}


def job(  # noqa: PLR0913  what a Job is made of
    document: dict[str, Any],
    function: Function,
    options: JobOptions,
    settings: JobSettings,
    sources: Sources,
    *,
    shape: dict[str, Any] = _ALONE,
) -> dict[str, Any]:
    """The Job of one attempt, or of a map: a pod each, and no other in its place.

    Retries are the engine's. ``shape`` is how many pods there are, and what becomes of the Job when one fails.
    """
    name = job_name(document["run"])
    labels = {**options.labels, **labels_of(document)}
    metadata = {"labels": labels, **({"annotations": options.annotations} if options.annotations else {})}
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, **metadata},
        "spec": {
            **shape,
            **(_deadline(document, options) if shape is _ALONE else {}),
            "podReplacementPolicy": "Failed",
            **({"suspend": True} if options.suspend else {}),
            "template": {"metadata": metadata, "spec": pod(document, function, options, settings, sources)},
        },
    }
    return patched(manifest, options.patch)
