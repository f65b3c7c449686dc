"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import RuntimeKind


@hookimpl
def framework_runtimes() -> list[RuntimeKind]:
    """The kind ``local``."""
    return [
        RuntimeKind(
            name="local",
            summary="Runs functions as processes of this machine, or inline in the caller's",
            runtime="framework_runtime_local.runtime:LocalRuntime",
            capabilities=frozenset({"inline", "process", "detach", "abort", "timeout", "requirements", "limits"}),
        )
    ]
