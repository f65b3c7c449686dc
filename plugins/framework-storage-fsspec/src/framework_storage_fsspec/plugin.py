"""Entry point of the plugin: hook implementations and import strings only."""

from __future__ import annotations

from framework.plugins.hookspecs import hookimpl
from framework.plugins.registrations import StorageScheme


@hookimpl
def framework_storages() -> list[StorageScheme]:
    """The scheme ``s3``."""
    return [
        StorageScheme(
            scheme="s3",
            target="framework_storage_fsspec.s3:S3Storage",
            runside="framework_storage_fsspec.runside",
        )
    ]
