"""The kind ``dask`` passes the conformance suite, on a cluster of its own and on one that somebody else has started."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

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
def outside(tmp_path_factory):
    """The address of a scheduler with two workers, each a process that was started by hand."""
    folder = tmp_path_factory.mktemp("outside")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask, where = [sys.executable, "-m", "dask"], ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = [*dask, "scheduler", *where, "--port", address.rpartition(":")[2]]
    worker = [*dask, "worker", address, *where, "--nthreads", "4", "--local-directory", str(folder)]
    with (folder / "log").open("wb") as log:
        processes = [subprocess.Popen(words, stdout=log, stderr=log) for words in (scheduler, worker, worker)]
    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield address
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
