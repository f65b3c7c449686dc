"""Every way of a query gives the same runs: a low probe makes conditions common that are rare in a small database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framework.testing.database_queries import QueriesSuite
from framework_db_sql import queries, unsettled
from framework_db_sql.database import SqlDatabase

pytestmark = pytest.mark.slow  # the suites of the databases ask the same with the usual probe, on every Python


@pytest.fixture(params=[0, 5, 40], ids="probe {}".format, autouse=True)
def low_probe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PROBE", request.param)
    monkeypatch.setattr(unsettled, "BATCH", 7)


class TestSqliteWays(QueriesSuite):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[SqlDatabase]:
        database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
        yield database
        database.close()


@pytest.mark.postgres
class TestPostgresqlWays(QueriesSuite):
    @pytest.fixture
    def database(self, postgresql_url: Callable[[], str]) -> Iterator[SqlDatabase]:
        database = SqlDatabase(postgresql_url())
        yield database
        database.close()
