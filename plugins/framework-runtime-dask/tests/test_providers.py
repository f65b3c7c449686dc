"""Clusters that are there, that are not, and options that do not fit."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from framework.errors import BackendError, UsageError
from framework.models import Function, FunctionMetadata
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_dask.options import DaskOptions, Security
from framework_runtime_dask.providers.local import LocalProvider
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
        (function(threads=0), "options.threads is 0"),
        (function(adaptive={"wait_count": 0}), "options.adaptive.wait_count is 0"),
        (function(scheduler={"requests": {"cpu": "many"}}), "options.scheduler.requests.cpu: 'many' is no quantity"),
        (function(resources={"GPU": -1}), "options.resources.GPU is -1"),
        (function(cluster="a/b"), "options.cluster is 'a/b'"),
        (function(cluster="../out"), "options.cluster is '../out'"),
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
def external(by_hand):
    """A scheduler and a worker, started by hand as processes; the worker has one GPU, or says so."""
    return by_hand(["--host", "127.0.0.1", "--nthreads", "2", "--resources", "GPU=1"])


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


def test_a_living_cluster_that_is_another_than_is_asked_for_is_refused(tmp_path):
    """TLS above all: who asks for it gets it or nothing."""
    provider = LocalProvider(tmp_path)
    place = provider.ensure(function({"replicas": 1}), DaskOptions(threads=2, idle_timeout="1h"))
    try:
        assert provider.ensure(function(), DaskOptions(no_workers_timeout="1m")) == place
        assert provider.ensure(function({"replicas": 1}), DaskOptions(threads=2)) == place
        for asked, said in (
            (DaskOptions(security=Security(temporary=True)), "security"),
            (DaskOptions(threads=4), "threads 2, not 4"),
            (DaskOptions(memory="1GiB"), "memory '', not '1GiB'"),
            (DaskOptions(env={"A": "b"}), "env {}, not {'A': 'b'}"),
        ):
            with pytest.raises(BackendError, match=f"is another than is asked for now: {re.escape(said)}") as caught:
                provider.ensure(function(), asked)
            assert "framework dask cluster close default-job" in caught.value.advice
        with pytest.raises(BackendError, match="most workers 1, not 3"):
            provider.ensure(function({"replicas": 3}), DaskOptions())
    finally:
        provider.close(place)
