from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from framework_storage_sqlite.storage import SqliteStorage

from framework.testing.plugins import PluginSuite
from framework.testing.storages import StorageSuite


class TestPlugin(PluginSuite):
    plugin = "storage-sqlite"


class TestStorage(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> SqliteStorage:
        return SqliteStorage(f"sqlite://{tmp_path}/root/artifacts.db")

    @pytest.fixture
    def small_storage(self, small_disk: Path) -> SqliteStorage:
        return SqliteStorage(f"sqlite://{small_disk}/artifacts.db")

    def damage(self, storage: SqliteStorage, uri: str) -> None:
        path, _, digest = uri.removeprefix("sqlite://").partition("#")
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("update pieces set data = data || 'x' where digest = ?", (digest,))
