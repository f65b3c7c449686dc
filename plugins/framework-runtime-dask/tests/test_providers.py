"""Clusters that are there, that are not, and options that do not fit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from framework.errors import BackendError, UsageError
from framework.models import Function, FunctionMetadata
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_dask.runtime import DaskRuntime

pytestmark = pytest.mark.slow


def function(scale=None, **options):
    made = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    made.spec.options = options
    for name, number in (scale or {}).items():
        setattr(made.spec.scale, name, number)
    return made


@pytest.fixture
def runtime(tmp_path):
    return DaskRuntime(RuntimeContext(home=str(tmp_path / "home")))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (function(provider="address"), "options.address is empty"),
        (function(address="tcp://127.0.0.1:1"), "provider 'local' starts a scheduler"),
        (function({"replicas": 3}, provider="address", address="tcp://127.0.0.1:1"), "never scales"),
        (function({"min_replicas": 4, "max_replicas": 2}), "spec.scale.min_replicas is 4"),
        (function({"replicas": 0}), "spec.scale.replicas is 0"),
        (function(memory="10MB"), "needs 128MiB"),
        (function(memory="much"), "options.memory is 'much'"),
        (function(provider="elsewhere"), "provider"),
        (function(thread=2), "thread"),
    ],
)
def test_options_that_do_not_fit_are_refused_offline(runtime, made, said):
    with pytest.raises(UsageError, match=said):
        runtime.validate(made)


def test_settings_are_options_of_every_function(tmp_path):
    settings = {"provider": "address", "address": "tcp://127.0.0.1:1"}
    runtime = DaskRuntime(RuntimeContext(home=str(tmp_path), settings=settings))
    runtime.validate(function())
    with pytest.raises(BackendError, match=r"tcp://127\.0\.0\.1:1 does not answer"):
        runtime.submit(submission("dask", "def main(): pass"))
    (found,) = runtime.preflight(function())
    assert not found.ok
    assert list(runtime.uncollected()) == []


@pytest.fixture(scope="module")
def external(tmp_path_factory):
    """A scheduler and a worker, started by hand as processes; the worker has one GPU, or says so."""
    folder = tmp_path_factory.mktemp("external")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "dask"]
    where = ["--host", "127.0.0.1", "--no-dashboard"]
    with (folder / "log").open("wb") as log:
        scheduler = subprocess.Popen([*dask, "scheduler", *where, "--port", str(port)], stdout=log, stderr=log)
        words = [*dask, "worker", address, "--host", "127.0.0.1", "--no-dashboard", "--nthreads", "2"]
        worker = subprocess.Popen(
            [*words, "--resources", "GPU=1", "--local-directory", str(folder)], stdout=log, stderr=log
        )
    yield address, scheduler
    for process in (worker, scheduler):
        process.send_signal(signal.SIGTERM)
    for process in (worker, scheduler):
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def elsewhere(tmp_path, external):
    settings = {"provider": "address", "address": external[0]}
    runtime = DaskRuntime(RuntimeContext(home=str(tmp_path / "home"), settings=settings))
    deadline = time.monotonic() + 60
    while True:
        (found,) = runtime.preflight(function())
        if found.ok and not found.message.startswith("0 "):
            return runtime
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_cluster_that_somebody_has_started(elsewhere):
    planned = submission("dask", "def main(n):\n print('number', n)\n return n", params={"n": 3})
    live = Live(elsewhere, planned, elsewhere.submit(planned))
    ran = live.finish()
    assert ran.state == "completed", ran
    assert ran.results == {"return": 3}
    assert ran.log() == b"number 3\n"
    elsewhere.cleanup(live.handle)
    elsewhere.cleanup(live.handle)


def test_resources_that_no_worker_has(elsewhere):
    for resources, fits in (({"GPU": 1}, True), ({"GPU": 2}, False), ({"TPU": 1}, False)):
        planned = submission("dask", "def main(): pass")
        planned.function.spec.options = {"resources": resources}
        if fits:
            live = Live(elsewhere, planned, elsewhere.submit(planned))
            assert live.finish().state == "completed"
            continue
        with pytest.raises(UsageError, match=r"they have: GPU=1"):
            elsewhere.submit(planned)


def test_a_scheduler_that_is_killed_leaves_a_run_that_is_lost(elsewhere, external):
    """The last test of this scheduler."""
    planned = submission("dask", "import time\ndef main():\n print('ready')\n time.sleep(60)")
    live = Live(elsewhere, planned, elsewhere.submit(planned))
    live.printed("ready")
    os.kill(external[1].pid, signal.SIGKILL)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Lost")
    assert "does not answer" in ran.status["message"]
    elsewhere.cleanup(live.handle)
