"""The documents of the framework as attrs classes. How they are written and read is in `framework.documents`."""

from framework.models.artifact import Artifact, ArtifactMetadata, ArtifactSpec
from framework.models.causes import ENDED, Cause, State
from framework.models.function import Function, FunctionMetadata, FunctionSpec
from framework.models.project import Project, ProjectMetadata, ProjectSpec
from framework.models.run import Attempt, Run, RunMetadata, RunSpec, RunStatus

__all__ = [
    "ENDED",
    "Artifact",
    "ArtifactMetadata",
    "ArtifactSpec",
    "Attempt",
    "Cause",
    "Function",
    "FunctionMetadata",
    "FunctionSpec",
    "Project",
    "ProjectMetadata",
    "ProjectSpec",
    "Run",
    "RunMetadata",
    "RunSpec",
    "RunStatus",
    "State",
]
