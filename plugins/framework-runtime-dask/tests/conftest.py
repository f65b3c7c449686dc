"""One local cluster for all tests of a process: FRAMEWORK_HOME is each test's own, the clusters' folder is shared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from distributed.utils import json_load_robust
from hypothesis import HealthCheck, settings

from framework.engine.session import Session
from framework.models import Function, FunctionMetadata
from framework_runtime_dask import connections
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.providers.local import LocalProvider

# A generated example may take long on a machine with much to do: how long, no test is about.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items):
    """Tests with the marker ``cluster`` need a real Kubernetes cluster, and are skipped where there is none."""
    skip = pytest.mark.skip(reason="no cluster: run inside `testbed exec`, or set KUBECONFIG and TESTBED_CLUSTER")
    here = Path(__file__).parent
    for item in items:
        if not item.path.is_relative_to(here):
            continue
        if item.get_closest_marker("cluster") and not os.environ.get("TESTBED_CLUSTER"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _closed():
    """A test leaves no connection behind: their threads would be in the way of those that follow."""
    yield
    connections.close_all()


@pytest.fixture(scope="session")
def clusters(tmp_path_factory):
    """The home in which the shared cluster ``default-shared`` runs, of two workers with four threads each."""
    home = tmp_path_factory.mktemp("clusters")
    provider = LocalProvider(home)
    function = Function(kind="dask", metadata=FunctionMetadata(name="shared"))
    function.spec.scale.replicas = 2
    provider.ensure(function, DaskOptions(threads=4, idle_timeout="1h"))
    yield home
    for place in provider.clusters():
        provider.close(place)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Start a scheduler and its workers as a person does, each with words of its own; gives its address and process."""
    processes = []

    def start(*workers, host="127.0.0.1", secure=()):
        folder = tmp_path_factory.mktemp("by-hand")
        both = ["--scheduler-file", str(folder / "scheduler.json"), "--no-dashboard", *secure]
        scheduler = ["scheduler", "--host", host, "--port", "0", *both]
        others = [["worker", *both, "--local-directory", str(folder), *words] for words in workers]
        with (folder / "log").open("wb") as log:
            started = [
                subprocess.Popen([sys.executable, "-m", "dask", *words], stdout=log, stderr=log)
                for words in (scheduler, *others)
            ]
        processes.extend(started)
        return json_load_robust(folder / "scheduler.json")["address"], started[0]

    yield start
    for process in reversed(processes):
        process.send_signal(signal.SIGTERM)
    for process in reversed(processes):
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def shared_home(tmp_path, clusters):
    home = tmp_path / "home"
    (home / "dask" / "clusters").mkdir(parents=True)
    shared = clusters / "dask" / "clusters" / "default-shared"
    for name in ("default-", "default-job", "default-shared"):  # of a submission without a function, and of job.py
        (home / "dask" / "clusters" / name).symlink_to(shared)
    return home


@pytest.fixture
def session_home(shared_home):
    """The FRAMEWORK_HOME of `session`; a file whose tests start clusters of their own has another one."""
    return shared_home


@pytest.fixture
def session(session_home, monkeypatch):
    """A session of an installation with nothing but its home."""
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(session_home))
    session = Session()
    yield session
    session.close()
