"""The provider ``operator``, on a real Kubernetes cluster with the real operator: `testbed operators dask`."""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from framework.testing.runtimes import RuntimeSuite
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.providers.operator import OperatorProvider

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("dask-operator"), pytest.mark.timeout(400)]

# What a node is short of, it gives by what is asked for: pods that ask for nothing stand still beside many that do.
CONFIG = """
[runtime.dask]
provider = "operator"
image = "{image}"
cluster = "{cluster}"
threads = 8

[runtime.dask.scheduler.requests]
cpu = "100m"
memory = "64Mi"

[[runtime.dask.patch.spec.worker.spec.containers]]
name = "worker"
resources.requests.cpu = "100m"
"""


def configured(path: Path, cluster: str) -> Path:
    path.mkdir(exist_ok=True)
    image = os.environ.get("FRAMEWORK_TEST_DASK_IMAGE", "local/dask:1")
    (path / "config.toml").write_text(CONFIG.format(image=image, cluster=cluster))
    return path


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The cluster ``suite`` of one worker with eight threads, which the functions of these tests share."""
    home = configured(tmp_path_factory.mktemp("operator"), "suite")
    provider = OperatorProvider(home)
    (finding, *_) = provider.findings(DaskOptions())
    if "not installed" in finding.message:
        pytest.skip("the Dask operator is not installed: testbed operators dask")
    yield home
    for place in provider.clusters():
        if place.cluster == "suite":
            provider.close(place)
    provider.release()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class TestOperator(RuntimeSuite):
    kind = "dask"

    @pytest.fixture
    def home(self, tmp_path, shared):
        return configured(tmp_path / "home", "suite")

    @pytest.fixture
    def tmp_path(self, tmp_path):
        """A folder that pods can read from, at the address that the test bed has for this machine."""
        handler = partial(_Quiet, directory=str(tmp_path))
        with ThreadingHTTPServer(("0.0.0.0", 0), handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            yield tmp_path
            server.shutdown()
            thread.join()

    def url_of(self, path):
        return f"http://10.123.0.1:{self.port}/{path.name}"

    def pid_here(self, live, number):
        """On this machine, where the test bed's nodes are: the number that the run knows is its container's."""
        return next(pid for pid in _processes(live.submission.uid) if _numbers(pid)[-1:] == [number])


def _processes(uid):
    """The processes of this machine in the containers of a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environ = path.read_bytes()
        except OSError:
            continue
        if f"FRAMEWORK_RUN_UID={uid}".encode() in environ:
            found.append(int(path.parent.name))
    return found


def _numbers(pid):
    """The pids of a process in each of its namespaces, the outermost first: NSpid of proc(5)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return []
    return [int(word) for line in lines if line.startswith("NSpid:") for word in line.split()[1:]]
