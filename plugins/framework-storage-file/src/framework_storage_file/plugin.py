"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import StorageScheme


@hookimpl
def framework_storages() -> list[StorageScheme]:
    """The scheme ``file``."""
    return [
        StorageScheme(
            scheme="file", target="framework_storage_file.storage:FileStorage", runside="framework_storage_file.runside"
        )
    ]
