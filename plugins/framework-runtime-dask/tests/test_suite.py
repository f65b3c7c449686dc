"""The kind ``dask`` passes the conformance suite, on a cluster of its own and on one that somebody else has started."""

from __future__ import annotations

import pytest
from distributed import Client

from framework.testing.runtimes import RuntimeSuite


class TestLocal(RuntimeSuite):
    kind = "dask"

    @pytest.fixture
    def home(self, shared_home):
        """One whose clusters are shared, so that not each test starts its own."""
        return shared_home


@pytest.fixture(scope="module")
def outside(by_hand):
    """The address of a scheduler with two workers, each a process that was started by hand."""
    worker = ["--host", "127.0.0.1", "--nthreads", "4"]
    address, _ = by_hand(worker, worker)
    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    return address


@pytest.mark.slow
@pytest.mark.xdist_group("dask-address")
class TestAddress(RuntimeSuite):
    kind = "dask"

    @pytest.fixture
    def home(self, tmp_path, outside):
        path = tmp_path / "home"
        path.mkdir()
        (path / "config.toml").write_text(f'[runtime.dask]\nprovider = "address"\naddress = "{outside}"\n')
        return path
