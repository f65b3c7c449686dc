"""The conformance suite: all of it on a server of S3, the part about contents in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import fsspec
import pytest

from framework.storages import Storage
from framework.testing.storage_contents import ContentsSuite
from framework.testing.storages import StorageSuite
from framework_storage_fsspec.objects import ObjectStorage
from framework_storage_fsspec.s3 import S3Storage


@pytest.mark.slow
@pytest.mark.xdist_group("s3")
class TestS3(StorageSuite):
    @pytest.fixture
    def storage(self, s3: Callable[[], str]) -> Storage:
        return S3Storage(s3())

    def damage(self, storage: Storage, uri: str) -> None:
        assert isinstance(storage, S3Storage)
        storage.system.pipe_file(uri.partition("://")[2], b"something else")


class TestMemory(ContentsSuite):
    @pytest.fixture
    def storage(self) -> Iterator[Storage]:
        yield ObjectStorage("memory://bucket/artifacts")
        system = fsspec.filesystem("memory")
        if system.exists("/bucket"):
            system.rm("/bucket", recursive=True)

    def damage(self, storage: Storage, uri: str) -> None:
        assert isinstance(storage, ObjectStorage)
        storage.system.pipe_file(uri.partition("://")[2], b"something else")
