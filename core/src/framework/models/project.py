"""Project: the container of functions, runs and artifacts, with defaults for what is made in it."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define

from framework.models.run import Notification


@define(kw_only=True)
class ProjectMetadata:
    """What the project is called."""

    name: str
    labels: dict[str, str] = Factory(dict)
    description: str = ""


@define(kw_only=True)
class ProjectSpec:
    """Defaults: a part of a FunctionSpec, merged under every function's own spec."""

    defaults: dict[str, Any] = Factory(dict)
    artifact_path: str = ""
    notifications: list[Notification] = Factory(list)  # of every run in it


@define(kw_only=True)
class Project:
    """``{metadata, spec, status}``."""

    metadata: ProjectMetadata
    spec: ProjectSpec = Factory(ProjectSpec)
    status: dict[str, Any] = Factory(dict)
