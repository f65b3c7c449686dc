"""The kind ``dask`` passes the conformance suite, on a local cluster."""

from __future__ import annotations

import pytest

from framework.testing.runtimes import RuntimeSuite


class TestLocal(RuntimeSuite):
    kind = "dask"

    @pytest.fixture
    def home(self, shared_home):
        """One whose clusters are shared, so that not each test starts its own."""
        return shared_home
