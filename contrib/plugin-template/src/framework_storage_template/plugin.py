"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import StorageScheme


@hookimpl
def framework_storages() -> list[StorageScheme]:
    """The scheme ``template``."""
    return [
        StorageScheme(
            scheme="template",
            target="framework_storage_template.storage:TemplateStorage",
            runside="framework_storage_template.runside",
        )
    ]
