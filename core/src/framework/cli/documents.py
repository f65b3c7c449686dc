"""Documents as commands print them: every field there, and the few sums that people want of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.databases import Document


def complete_run(run: Document) -> Document:
    """A run's document with the fields that were left out because they are at their defaults; unknown ones are kept."""
    from framework.models.run import RunMetadata, RunSpec, RunStatus

    return {
        **run,
        "metadata": _complete(run.get("metadata", {}), RunMetadata),
        "spec": _complete(run.get("spec", {}), RunSpec),
        "status": _complete(run.get("status", {}), RunStatus),
    }


def complete_function(function: Document) -> Document:
    """As `complete_run`, for a function."""
    from framework.models.function import FunctionMetadata, FunctionSpec, FunctionStatus

    return {
        "kind": "local",
        **function,
        "metadata": _complete(function.get("metadata", {}), FunctionMetadata),
        "spec": _complete(function.get("spec", {}), FunctionSpec),
        "status": _complete(function.get("status", {}), FunctionStatus),
    }


def complete_artifact(artifact: Document) -> Document:
    """As `complete_run`, for an artifact."""
    from framework.models.artifact import ArtifactMetadata, ArtifactSpec

    return {
        **artifact,
        "metadata": _complete(artifact.get("metadata", {}), ArtifactMetadata),
        "spec": _complete(artifact.get("spec", {}), ArtifactSpec),
        "status": artifact.get("status", {}),
    }


def complete_project(project: Document) -> Document:
    """As `complete_run`, for a project."""
    from framework.models.project import ProjectMetadata, ProjectSpec

    return {
        **project,
        "metadata": _complete(project.get("metadata", {}), ProjectMetadata),
        "spec": _complete(project.get("spec", {}), ProjectSpec),
        "status": project.get("status", {}),
    }


def _complete(part: dict[str, Any], cls: type) -> dict[str, Any]:
    """The part with the defaults of the attrs class for what is missing, in the order of the class."""
    import attrs

    from framework.documents.dump import default_of

    complete: dict[str, Any] = {}
    for field in attrs.fields(cls):
        default = default_of(field)
        if attrs.has(type(default)):
            complete[field.name] = _complete(part.get(field.name, {}), type(default))
        elif field.name in part or default is not attrs.NOTHING:
            complete[field.name] = part.get(field.name, default)
    return {**complete, **{name: content for name, content in part.items() if name not in complete}}


def seconds_taken(run: Document) -> float | None:
    """How long a run has been running, in seconds: up to its end, or up to now; None before its start."""
    status = run.get("status", {})
    started = status.get("started")
    if started is None:
        return None
    ended = status.get("ended")
    if ended is None:
        ended = time.time() if status.get("state") in {"running", "pending"} else started
    return float(ended) - float(started)


def uri_of(run: Document) -> str:
    """``run://project/uid``."""
    metadata = run["metadata"]
    return f"run://{metadata.get('project', 'default')}/{metadata['uid']}"
