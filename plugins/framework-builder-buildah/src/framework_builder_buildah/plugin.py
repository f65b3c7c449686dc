"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import Builder


@hookimpl
def framework_builders() -> list[Builder]:
    """The builder ``buildah``."""
    return [Builder(name="buildah", target="framework_builder_buildah.builder:Buildah")]
