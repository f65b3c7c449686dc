"""PostgreSQL passes the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from framework.testing.databases import DatabaseSuite
from framework_db_sql.database import SqlDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("postgresql")]


class TestPostgresql(DatabaseSuite):
    @pytest.fixture
    def database(self, postgresql_url: Callable[[], str]) -> Iterator[SqlDatabase]:
        database = SqlDatabase(postgresql_url())
        yield database
        database.close()
