"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import RuntimeKind, SecretStore


@hookimpl
def framework_runtimes() -> list[RuntimeKind]:
    """The kind ``job``."""
    return [
        RuntimeKind(
            name="job",
            summary="Runs functions as Kubernetes Jobs, in any image with Python",
            runtime="framework_runtime_job.runtime:JobRuntime",
            options="framework_runtime_job.options:JobOptions",
            capabilities=frozenset({"detach", "abort", "timeout", "limits", "map", "remote", "requirements"}),
        )
    ]


@hookimpl
def framework_secret_stores() -> list[SecretStore]:
    """The store ``kubernetes``."""
    package = "framework_runtime_job.runside"
    return [SecretStore(name="kubernetes", target=f"{package}.secrets:KubernetesStore", runside=package)]
