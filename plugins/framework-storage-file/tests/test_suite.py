"""The storage in a folder passes the conformance suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from framework.testing.storages import StorageSuite
from framework_storage_file.storage import FileStorage


class TestFile(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> FileStorage:
        return FileStorage((tmp_path / "with space, 100% & #").joinpath("root").as_uri())

    @pytest.fixture
    def small_storage(self, small_disk: Path) -> FileStorage:
        return FileStorage(small_disk.as_uri())

    def damage(self, storage: FileStorage, uri: str) -> None:
        from urllib.parse import unquote

        path = Path(unquote(uri.removeprefix("file://")))
        path.chmod(0o644)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
