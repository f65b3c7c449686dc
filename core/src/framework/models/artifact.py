"""Artifact: something that a run made and that outlives it."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define


@define(kw_only=True)
class ArtifactMetadata:
    """Which artifact it is."""

    key: str
    project: str = "default"
    labels: dict[str, str] = Factory(dict)
    tags: list[str] = Factory(list)


@define(kw_only=True)
class ArtifactSpec:
    """Where its content lies and what it is."""

    run: str = ""  # uid of the run that made it
    iteration: int = 0
    type: str = "file"  # file, folder, dataset, model, plot, object
    format: str = ""  # csv, parquet, pickle, png, json, text …
    name: str = ""  # the file name it had
    digest: str = ""  # sha256:… of the content
    size: int = 0  # bytes
    uri: str = ""  # where the storage keeps the content
    metadata: dict[str, Any] = Factory(dict)
    created: float | None = None


@define(kw_only=True)
class Artifact:
    """``{metadata, spec, status}``."""

    metadata: ArtifactMetadata
    spec: ArtifactSpec = Factory(ArtifactSpec)
    status: dict[str, Any] = Factory(dict)
