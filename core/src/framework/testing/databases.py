"""The conformance suite of databases.

    from framework.testing.databases import DatabaseSuite

    class TestMine(DatabaseSuite):
        @pytest.fixture
        def database(self, tmp_path):
            database = MyDatabase(f"mine://{tmp_path}/runs")
            yield database
            database.close()

The fixture gives an empty database. Its class has to be importable, because the suite opens the same URL from other
processes.
"""

from __future__ import annotations

from framework.testing.database_catalog import CatalogSuite
from framework.testing.database_concurrency import ConcurrencySuite
from framework.testing.database_merging import MergingSuite
from framework.testing.database_queries import QueriesSuite
from framework.testing.database_records import RecordsSuite
from framework.testing.database_runs import RunsSuite

__all__ = ["DatabaseSuite"]


class DatabaseSuite(RunsSuite, RecordsSuite, QueriesSuite, CatalogSuite, ConcurrencySuite, MergingSuite):
    """Everything that a database promises: runs and events, output, queries, functions, artifacts, writers, merges.

    Override the fixture ``database``, and ``reopen`` where another client is not made by
    ``type(database)(database.url)``.
    """
