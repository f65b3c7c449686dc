"""Turn a Python function into a versioned, tracked Function that runs anywhere.

    import framework as fw

    @fw.function
    def train(depth: int = 2) -> float: ...

    run = train.run(params={"depth": 4})

What a name needs is imported when the name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.api.context import context
    from framework.api.functions import RunnableFunction, function
    from framework.api.projects import LiveProject, project
    from framework.api.runs import RunFailed, TrackedRun, runs
    from framework.errors import (
        Ambiguous,
        BackendError,
        CapabilityMissing,
        ConditionError,
        DatabaseError,
        DocumentError,
        FrameworkError,
        NotFound,
        NotificationError,
        ParameterError,
        PluginError,
        SourceError,
        StorageError,
        UnknownKind,
        UriError,
        UsageError,
    )
    from framework_run.context import Context
    from framework_run.errors import NonRetryable

_WHERE = {
    "context": "framework.api.context",
    "Context": "framework_run.context",
    "NonRetryable": "framework_run.errors",
    "function": "framework.api.functions",
    "RunnableFunction": "framework.api.functions",
    "project": "framework.api.projects",
    "LiveProject": "framework.api.projects",
    "runs": "framework.api.runs",
    "RunFailed": "framework.api.runs",
    "TrackedRun": "framework.api.runs",
}

__all__ = [
    "Ambiguous",
    "BackendError",
    "CapabilityMissing",
    "ConditionError",
    "Context",
    "DatabaseError",
    "DocumentError",
    "FrameworkError",
    "LiveProject",
    "NonRetryable",
    "NotFound",
    "NotificationError",
    "ParameterError",
    "PluginError",
    "RunFailed",
    "RunnableFunction",
    "SourceError",
    "StorageError",
    "TrackedRun",
    "UnknownKind",
    "UriError",
    "UsageError",
    "context",
    "function",
    "project",
    "runs",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'framework' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_WHERE.get(name, "framework.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
