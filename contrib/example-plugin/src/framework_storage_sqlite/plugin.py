"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import StorageScheme


@hookimpl
def framework_storages() -> list[StorageScheme]:
    """The scheme ``sqlite``."""
    return [
        StorageScheme(
            scheme="sqlite",
            target="framework_storage_sqlite.storage:SqliteStorage",
            runside="framework_storage_sqlite.runside",
        )
    ]
