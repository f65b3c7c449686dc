"""A submission as a pod can have it: its code and what it reads from this machine travel with it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define

from framework.models import Function
from framework.runtimes import Submission
from framework_runtime_job import manifests
from framework_runtime_job.options import JobOptions
from framework_runtime_job.paths import PARCEL
from framework_runtime_job.settings import JobSettings

LARGEST: Final = 1_000_000
"""Bytes of a submission that fits a Secret, whose own limit is 1 MiB."""


@define(kw_only=True)
class Prepared:
    """What is created, and what is sent after it.

    Args:
        document: The submission, with its code or the place where it will be.
        function: The Function, with the cluster's defaults under its spec.
        options: Its options.
        code: The code as a zip, where it is too large for the Secret.
        inputs: Files and folders of this machine, by the input's name.
    """

    document: dict[str, Any]
    function: Function
    options: JobOptions
    code: bytes = b""
    inputs: dict[str, Path] = Factory(dict)

    @property
    def sends(self) -> bool:
        """Whether something is sent after it."""
        return bool(self.code or self.inputs)


def prepare(submission: Submission, settings: JobSettings) -> Prepared:
    """Prepare a submission; nothing is written.

    Raises:
        UsageError: It cannot be a Job; the message names the field.
    """
    function = submission.function
    options = manifests.check(function, settings)
    document = {**submission.document, "env": dict(submission.document.get("env") or {})}
    document["workdir"] = function.spec.code.workdir or None
    kept = [volume for volume in function.spec.storage.volumes if volume.type in ("pvc", "host_path")]
    mounts = [volume.mount.rstrip("/") + "/" for volume in kept]  # what others hold, they do not have from here
    inputs = _inputs(document.get("inputs") or {}, mounts)
    document["inputs"] = {
        **(document.get("inputs") or {}),
        **{name: _sent(name, path) for name, path in inputs.items()},
    }
    found = Prepared(document=document, function=function, options=options, inputs=inputs)
    _place_code(found, submission)
    return found


def mask(prepared: Prepared) -> None:
    """Take the values of secrets out of what people are shown."""
    secret, env = prepared.function.spec.environment.secrets, prepared.document["env"]
    prepared.document["env"] = {name: "***" if name in secret else value for name, value in env.items()}


def _inputs(inputs: dict[str, dict[str, Any]], mounts: list[str]) -> dict[str, Path]:
    """Those that are on this machine only: what lies under a mount of the pod's is there already."""
    return {
        name: Path(place["path"])
        for name, place in inputs.items()
        if "path" in place and not str(place["path"]).startswith(tuple(mounts))
    }


def _sent(name: str, path: Path) -> dict[str, str]:
    return {"path": f"{PARCEL}/inputs/{name}/{path.name}"}


def _place_code(prepared: Prepared, submission: Submission) -> None:
    """Put the code into the submission, or where that is too large, into what is sent after it."""
    document, code = prepared.document, prepared.document["code"]
    if code.get("folder"):
        packed = submission.archive() if submission.archive else b""
        document["code"] = {**code, "folder": None, "archive": base64.b64encode(packed).decode()}
    if len(json.dumps(document)) <= LARGEST or not document["code"].get("archive"):
        return
    prepared.code = base64.b64decode(document["code"]["archive"])
    document["code"] = {**code, "folder": f"{PARCEL}/code", "archive": None}
    if code.get("command") and not document["workdir"]:
        document["workdir"] = f"{PARCEL}/code"  # as where the code is unpacked by the runner
