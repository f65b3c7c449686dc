"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import Command, RuntimeKind


@hookimpl
def framework_runtimes() -> list[RuntimeKind]:
    """The kind ``dask``."""
    return [
        RuntimeKind(
            name="dask",
            summary="Runs functions on Dask clusters: local, by address, or by the operator",
            runtime="framework_runtime_dask.runtime:DaskRuntime",
            options="framework_runtime_dask.options:DaskOptions",
            capabilities=frozenset({"detach", "abort", "timeout", "requirements", "map", "remote"}),
        )
    ]


@hookimpl
def framework_commands() -> list[Command]:
    """``framework dask``."""
    return [
        Command(
            name="dask", help="Look at Dask clusters, and close them.", target="framework_runtime_dask.commands:dask"
        )
    ]
