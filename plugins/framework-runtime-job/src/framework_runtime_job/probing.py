"""What is in an image: a pod of a few seconds that lists its Python and its packages."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from framework.errors import BackendError
from framework.models import Function
from framework.pods import parts
from framework.pods.placement import scheduling
from framework.runtimes import Finding
from framework_runtime_job import causes, pods
from framework_runtime_job.api import Api
from framework_runtime_job.names import CONTAINER, MANAGED, PREFLIGHT
from framework_runtime_job.pending import why
from framework_runtime_job.subject import Subject

_logger = logging.getLogger(__name__)

_PATIENCE: Final = 120.0  # seconds until the pod has said it: a large image is pulled first
_PULLS: Final = 30.0  # seconds that a registry which fails has to come back
_QUIET: Final = 10.0  # seconds until it is said that the pod is waited for
_LOOK: Final = 0.5  # seconds between two looks
_NOT_STARTED: Final = ("StartError", "ContainerCannotRun")
_NO_PYTHON: Final = "Use an image with Python, or name the one in it: -o python=PATH"
_OLDEST: Final = (3, 10)
_MOST: Final = 500  # files of code that are read for their imports
_LIST: Final = """
import json, sys
try:
    from importlib import metadata
    packages = {d.metadata["Name"]: d.version for d in metadata.distributions()}
except ImportError:
    packages = {}
print(json.dumps({"python": list(sys.version_info[:3]), "packages": packages}))
"""


def findings(subject: Subject) -> Iterator[Finding]:
    """The image, its Python and its packages, beside those here."""
    image = pods.image_of(subject.function, subject.settings)
    try:
        inside = probe(subject, image)
    except BackendError as error:
        yield Finding(subject="image", ok=False, message=f"{image}: {error.message}", advice=error.advice)
        return
    yield Finding(subject="image", ok=True, message=f"{image} starts")
    yield _python(tuple(inside["python"]), subject.options.python)
    yield from _packages(subject.function, inside["packages"])


def probe(subject: Subject, image: str) -> dict[str, Any]:
    """Run a pod of the image that lists what is in it.

    Raises:
        BackendError: It does not start, or has no Python; the message is the cluster's or the registry's.
    """
    api, base = subject.api, f"/api/v1/namespaces/{subject.namespace}/pods"
    name = f"{PREFLIGHT}{os.urandom(5).hex()}"
    api.create(base, _pod(subject, image, name))
    try:
        _check_started(_ended(api, f"{base}/{name}", image))
        return _listed(api.stream(f"{base}/{name}/log", container=CONTAINER).data)
    finally:
        with suppress(BackendError):
            api.delete(f"{base}/{name}", gracePeriodSeconds=0)


def _ended(api: Api, path: str, image: str) -> dict[str, Any]:
    """The pod when it is over; who waits for it longer than a moment is told why."""
    begun = time.monotonic()
    failing: float | None = None  # since when its image cannot be pulled
    is_said = False
    while True:
        pod = api.get(path)
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return pod
        waiting, now = why(pod), time.monotonic()
        reason, words = waiting.get("reason", ""), f"{waiting.get('reason', '')}: {waiting.get('message', '')}"
        failing = (failing or now) if reason in causes.PULLING else None
        if _is_enough(waiting, now - begun, None if failing is None else now - failing):
            raise BackendError(words.strip(": ") or "it does not start", advice=_advice(reason))
        if not is_said and now > begun + _QUIET:
            is_said = True
            _logger.warning("a pod of %s has not begun yet: %s", image, causes.line(words).strip(": ") or "no node yet")
        time.sleep(_LOOK)


def _is_enough(waiting: dict[str, Any], waited: float, failing: float | None) -> bool:
    """Whether a pod that waits is given up: so many seconds after it was made, and since its image is not to be had."""
    reason = waiting.get("reason", "")
    if reason in causes.CREATING or waited > _PATIENCE:
        return True
    return failing is not None and (failing > _PULLS or causes.is_final_pull(reason, waiting.get("message", "")))


def _pod(subject: Subject, image: str, name: str) -> dict[str, Any]:
    placement = subject.function.spec.placement
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "command": [subject.options.python, "-c", _LIST],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    of_pod, of_container = parts.security(placement)
    container |= parts.filled({"imagePullPolicy": placement.image_pull_policy, "securityContext": of_container})
    where = scheduling(placement, subject.settings.spot)
    where.pop("priorityClassName", None)  # nobody is to make room for a look
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": int(2 * _PATIENCE),  # should nobody be left to remove it
        "automountServiceAccountToken": False,
        "containers": [container],
        **parts.filled({"securityContext": of_pod}),
        **where,
    }
    metadata_ = {"name": name, "labels": {MANAGED: "framework"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata_, "spec": spec}


def _check_started(pod: dict[str, Any]) -> None:
    """Refuse a pod whose command could not be begun, which has no log."""
    for status in pod["status"].get("containerStatuses", []):
        ended = status.get("state", {}).get("terminated") or {}
        if ended.get("reason") in _NOT_STARTED:
            raise BackendError(_short(ended.get("message", "")), advice=_NO_PYTHON)


def _short(message: str) -> str:
    """The last part of what a container's runtime says, which is the reason."""
    return message.strip().rpartition(": exec: ")[2][:300] or "it does not start"


def _listed(said: bytes) -> dict[str, Any]:
    for line in said.decode("utf-8", "replace").splitlines():
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "python" in found:
                return found
    words = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise BackendError(f"its Python does not run: {words[0][:300]}", advice=_NO_PYTHON)


def _python(found: tuple[int, ...], name: str) -> Finding:
    text = ".".join(map(str, found))
    if found[:2] < _OLDEST:
        return Finding(
            subject="python",
            ok=False,
            message=f"{name} in the image is {text}, and the runner needs 3.10",
            advice="Use an image with a newer Python, or name another one in it: -o python=PATH",
        )
    here = sys.version_info[:2]
    differs = (
        "" if found[:2] == here else f"; here it is {here[0]}.{here[1]}: pickles may not be read on the other side"
    )
    return Finding(subject="python", ok=True, message=f"{name} in the image is {text}{differs}")


def _packages(function: Function, inside: dict[str, str]) -> Iterator[Finding]:
    """Each package that the code imports, as it is here and in the image."""
    there = {_normal(name): version for name, version in inside.items()}
    requirements = function.spec.environment.requirements
    asked = {_normal(found[0]) for text in requirements if (found := re.match(r"[\w.-]+", text.strip()))}
    for name, here in sorted(imported(function).items()):
        if _normal(name) in asked:
            continue  # installed when the run starts
        version = there.get(_normal(name))
        if version is None:
            advice = f"--requirement {name}=={here}, or build it into the image: environment.build_requirements"
            message = f"{name} is imported by the code and is not in the image (here: {here})"
            yield Finding(subject=f"package {name}", ok=False, message=message, advice=advice)
        elif version != here:
            yield Finding(subject=f"package {name}", ok=True, message=f"{version} in the image, {here} here")


def imported(function: Function) -> dict[str, str]:
    """The distributions installed here that a function's code imports, with their versions."""
    modules = {name for path in _files(function) for name in _imports(path)} - sys.stdlib_module_names
    by_module = metadata.packages_distributions()
    names = {name for module in modules for name in by_module.get(module) or _by_its_name(module)}
    ours = {name for name in names if _normal(name).startswith("framework-")}
    return {name: metadata.version(name) for name in names - ours}


def _by_its_name(module: str) -> list[str]:
    """The distribution that is called as its module: Python 3.10 knows no other of those without a top_level.txt."""
    try:
        metadata.version(module)
    except metadata.PackageNotFoundError:
        return []
    return [module]


def _files(function: Function) -> list[Path]:
    place = Path(function.spec.code.path)
    if place.is_file():
        return [place]
    if not function.spec.code.path or not place.is_dir():
        return []
    return [path for name in sorted(function.spec.code.files)[:_MOST] if (path := place / name).suffix == ".py"]


def _imports(path: Path) -> Iterator[str]:
    """The top names of what a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _advice(reason: str) -> str:
    if reason in causes.PULLING:
        return "Check the image's name, the registry, and spec.placement.image_pull_secrets."
    return "kubectl describe pod says more; is a node free, and has the image a Python?"
