"""SQLite passes the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.testing.databases import DatabaseSuite
from framework_db_sql.database import SqlDatabase


class TestSqlite(DatabaseSuite):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[SqlDatabase]:
        database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
        yield database
        database.close()
