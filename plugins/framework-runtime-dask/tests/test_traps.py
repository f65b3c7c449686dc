"""The traps of Dask that everybody falls into once: each is told, or does not exist here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import dask
import pytest
from distributed import Client, LocalCluster, get_worker

from framework.engine.execute import execute
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.engine.session import Session
from framework.errors import UsageError
from framework.models import Function, FunctionMetadata
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, RuntimeCase, submission
from framework_runtime_dask import driver
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.provider import Place
from framework_runtime_dask.providers.local import LocalProvider
from framework_runtime_dask.runtime import DaskRuntime

PLACE = Place(provider="address", cluster="it", address="tcp://h:1", security={}, facts={})


def of(home, **settings):
    return DaskRuntime(RuntimeContext(home=str(home), settings=settings))


def started(runtime, code="def main(): return 1"):
    planned = submission("dask", code)
    return Live(runtime, planned, runtime.submit(planned))


def ended(live):
    ran = live.finish()
    live.runtime.cleanup(live.handle)
    return ran


def to_the_end(runtime, code="def main(): return 1"):
    return ended(started(runtime, code))


def until(holds):
    deadline = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


class TestShared(RuntimeCase):
    """On the cluster that the tests share."""

    kind = "dask"

    @pytest.fixture
    def home(self, shared_home):
        return shared_home

    def test_identical_calls_share_no_key(self, start):
        """Dask takes two calls of one function with the same arguments for one."""
        code = "import os\ndef main(n): return os.urandom(8).hex()"
        started = [start(code, params={"n": 1}) for _ in range(4)]
        assert len({live.finish().results["return"] for live in started}) == 4

    @pytest.mark.parametrize("made", ["lambda: 1", "threading.Lock()"])
    def test_a_result_that_cannot_be_sent_is_named(self, run, made):
        ran = run(f"import threading\ndef main(): return {made}", returns=["model"])
        assert (ran.state, ran.cause) == ("failed", "UserError"), ran
        assert "model" in ran.status["message"]
        assert ran.status["advice"]

    def test_what_a_task_returns_and_cannot_be_sent_is_the_handlers_error(self, run):
        code = (
            "import threading, framework as fw\n"
            "def lock(): return threading.Lock()\n"
            "def main(context: fw.Context): return str(context.dask_client.submit(lock).result())"
        )
        ran = run(code)
        assert (ran.state, ran.cause) == ("failed", "UserError"), ran
        assert ran.status["message"] == "TypeError: Could not serialize object of type lock"


@pytest.mark.parametrize("name", ["idle_timeout", "death_timeout", "no_workers_timeout", "adaptive.interval"])
@pytest.mark.parametrize("text", ["soon", "-1s", ""])
def test_a_time_that_is_none_is_refused_offline(tmp_path, name, text):
    first, _, second = name.partition(".")
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = {first: {second: text} if second else text}
    with pytest.raises(UsageError, match=rf"options\.{name} is '{text}'"):
        of(tmp_path).validate(function)


@pytest.mark.parametrize(
    ("options", "name", "mend"),
    [
        ({"namespace": "x"}, "namespace", "operator"),
        ({"patch": {}, "driver": "client"}, "patch", "operator"),
        ({"provider": "address", "address": "tcp://h:1", "memory": "1GiB"}, "memory", "local"),
        ({"provider": "address", "address": "tcp://h:1", "scheduler": {}}, "scheduler", "operator"),
        ({"provider": "operator", "image": "dask", "dashboard": ":0"}, "dashboard", "local"),
    ],
)
def test_an_option_that_its_provider_does_not_read_is_refused_offline(tmp_path, options, name, mend):
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = options
    with pytest.raises(UsageError, match=rf"options\.{name} is set, and says nothing to the provider") as refused:
        of(tmp_path).validate(function)
    assert refused.value.advice.endswith(f"-o provider={mend}")


def test_what_the_settings_say_for_another_provider_hinders_nobody(tmp_path):
    settings = {"namespace": "x", "memory": "1GiB", "provider": "address", "address": "tcp://h:1"}
    runtime = DaskRuntime(RuntimeContext(home=str(tmp_path), settings=settings))
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = {"no_workers_timeout": "1m", "resources": {"GPU": 1}, "driver": "client"}
    runtime.validate(function)


@pytest.mark.parametrize("address", ["127.0.0.1", "tcp://h", "tcp://h:port", "http:/h:1", "tcp://::1:8786"])
def test_an_address_that_is_none_is_refused_offline(tmp_path, address):
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = {"provider": "address", "address": address}
    with pytest.raises(UsageError, match="which is no address of a scheduler"):
        of(tmp_path).validate(function)


@pytest.mark.parametrize("address", ["h:8786", "tcp://h.x:8786", "tcp://[::1]:8786"])
def test_an_address_that_is_one_is_taken(tmp_path, address):
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = {"provider": "address", "address": address}
    of(tmp_path).validate(function)


@pytest.mark.parametrize("text", ["nowhere", ":99999", "h:", ":²"])
def test_a_dashboard_without_a_port_is_refused_offline(tmp_path, text):
    function = Function(kind="dask", metadata=FunctionMetadata(name="job"))
    function.spec.options = {"dashboard": text}
    with pytest.raises(UsageError, match="which has no port"):
        of(tmp_path).validate(function)


SPEC = {
    "min": 0,
    "max": 3,
    "threads": 1,
    "memory": "",
    "resources": {},
    "env": {},
    "idle_timeout": "5m",
    "death_timeout": "60s",
    "no_workers_timeout": "7s",
    "dashboard": "",
    "adaptive": {"interval": "200ms", "wait_count": 7, "target_duration": "9s"},
}


@pytest.fixture
def adaptive(tmp_path):
    """A cluster as the driver starts it, in this process."""
    with dask.config.set(driver._config(SPEC)), driver._cluster(SPEC, tmp_path, None) as cluster:
        yield cluster


def test_how_a_cluster_follows_the_work_is_what_was_asked_for(adaptive):
    rule = adaptive._adaptive
    assert (rule.minimum, rule.maximum, rule.interval, rule.wait_count, rule.target_duration) == (0, 3, 0.2, 7, 9.0)
    assert adaptive.scheduler.no_workers_timeout == 7


@contextmanager
def worker(address, *words):
    """A worker that somebody has started by hand."""
    line = [sys.executable, "-m", "dask", "worker", address, "--no-dashboard", "--no-nanny", *words]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.mark.slow
def test_a_worker_that_somebody_has_added_is_not_closed(tmp_path):
    spec = {**SPEC, "min": 1, "adaptive": {"interval": "50ms", "wait_count": 2, "target_duration": "1s"}}
    with (
        dask.config.set(driver._config(spec)),
        driver._cluster(spec, tmp_path, None) as cluster,
        worker(cluster.scheduler_address, "--name", "mine"),
        Client(cluster, set_as_default=False) as client,
    ):
        until(lambda: len(cluster.scheduler.workers) == 2)
        tasks = client.map(lambda n: time.sleep(0.2) or get_worker().name, range(100), pure=False)
        until(lambda: len(cluster.workers) > 1)  # it has grown
        assert "mine" in client.gather(tasks)
        until(lambda: len(cluster.scheduler.workers) == 2 and len(cluster.workers) == 1)
        decisions = len(cluster._adaptive.log)
        time.sleep(0.5)  # ten more
        assert list(cluster._adaptive.log)[decisions:] == []
        assert "mine" in [it.name for it in cluster.scheduler.workers.values()]


def test_a_run_that_no_worker_can_take_ends_by_its_own_patience(tmp_path):
    """The scheduler is somebody else's, and would let it wait for ever."""
    where = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=0, **where) as cluster:
        settings = {"provider": "address", "address": cluster.scheduler_address, "no_workers_timeout": "300ms"}
        ran = to_the_end(of(tmp_path, **settings))
        assert (ran.state, ran.cause) == ("failed", "Unschedulable"), ran
        assert ran.status["message"] == "no worker could take it in 0.3 s: there is none"
        runtime = of(tmp_path, **settings, resources={"GPU": 1})
        live = started(runtime)
        with worker(cluster.scheduler_address, "--resources", "TPU=2"):
            until(lambda: cluster.scheduler.workers)
            ran = ended(live)
        assert ran.cause == "Unschedulable"
        assert "it asks for GPU=1, and none has that (they have: TPU=2)" in ran.status["message"]
        assert "no_workers_timeout" in ran.status["advice"]
        until(lambda: not cluster.scheduler.tasks)  # nothing of them is left there


WAITS = """
import pathlib, time

def main(begun: str, opens: str):
    pathlib.Path(begun).touch()
    while not pathlib.Path(opens).exists():
        time.sleep(0.02)
    print("it went on")
    return 5
"""


@pytest.mark.slow
def test_a_laptop_that_is_closed_and_opened_again(tmp_path, shared_home):
    (tmp_path / "job.py").write_text(WAITS)
    begun, opens = tmp_path / "begun", tmp_path / "opens"
    words = ["run", "job.py:main", "-p", f"begun={begun}", "-p", f"opens={opens}", "--kind", "dask", "--json"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
    env |= {"FRAMEWORK_HOME": str(shared_home), "DASK_DISTRIBUTED__CLIENT__HEARTBEAT": "100ms"}
    line = [sys.executable, "-m", "framework", *words]
    with subprocess.Popen(line, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        until(begun.exists)
        client.send_signal(signal.SIGSTOP)
        try:
            opens.touch()
            time.sleep(2)  # it ends meanwhile, and twenty heartbeats are missing
        finally:
            client.send_signal(signal.SIGCONT)
        said, problems = client.communicate(timeout=60)
    run = json.loads(said)
    assert (run["status"]["state"], run["status"]["results"]) == ("completed", {"return": 5}), problems
    assert len(run["status"]["attempts"]) == 1


@pytest.mark.slow
def test_a_scheduler_that_is_killed_and_a_run_that_may_be_repeated(tmp_path, monkeypatch):
    """Without that it is `Lost`, as of any scheduler (test_providers)."""
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    (tmp_path / "job.py").write_text(WAITS)
    session, provider, killed = Session(), LocalProvider(tmp_path / "home"), []
    params = {"begun": str(tmp_path / "begun"), "opens": str(tmp_path / "opens")}
    retry = {"attempts": 2, "on": ["Lost"], "backoff": 0}
    spec = {"scale": {"replicas": 1}}
    asked = RunRequest(
        target=str(tmp_path / "job.py"), handler="main", kind="dask", params=params, retry=retry, overrides=spec
    )

    def kill(event):
        if event["kind"] == "state" and not killed:
            until((tmp_path / "begun").exists)
            killed.extend(provider.clusters())
            os.kill(int(killed[0].facts["pid"]), signal.SIGKILL)
            (tmp_path / "opens").touch()

    try:
        run = execute(session, plan(session, asked), on_event=kill)
        assert [it.get("cause") for it in run["status"]["attempts"]] == ["Lost", None]
        assert (run["status"]["state"], run["status"]["results"]) == ("completed", {"return": 5}), run["status"]
        (place,) = provider.clusters()
        assert place.address != killed[0].address
    finally:
        session.database.close()
        for place in provider.clusters():
            provider.close(place)


FEW = """
import pathlib, time
def main(folder, more):
    for n in range(60):
        print("line", n, flush=True)
        time.sleep(0.07)
    pathlib.Path(folder, "printed").touch()
    for n in range(more):
        print("x" * 1000)
    print("all is said", flush=True)
    while not pathlib.Path(folder, "over").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def unread(tmp_path, monkeypatch):
    """A run that has printed more messages than its scheduler keeps, and that nobody has read any of yet."""
    monkeypatch.setenv("DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH", "20")
    provider = LocalProvider(tmp_path)
    function = Function(kind="dask", metadata=FunctionMetadata(name="few"))
    function.spec.scale.replicas = 1
    place = provider.ensure(function, DaskOptions(idle_timeout="1h"))
    runtime = of(tmp_path)

    def start(more=0):
        planned = submission("dask", FEW, params={"folder": str(tmp_path), "more": more})
        planned.function.spec.options = {"cluster": place.cluster}
        live = Live(runtime, planned, runtime.submit(planned))
        deadline = time.monotonic() + 60
        while not (tmp_path / "printed").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)  # the last line is on its way to the scheduler
        return live

    yield start
    runtime.close()
    provider.close(place)


@pytest.mark.slow
def test_of_a_worker_that_dies_unwatched_the_scheduler_has_the_last_lines_and_the_gap_is_said(unread):
    live = unread()
    (worker,) = live.runtime.workers(live.handle).values()
    os.kill(worker["pid"], signal.SIGKILL)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Lost"), ran
    lines = ran.log().splitlines()
    assert lines[-1] == b"all is said"
    assert len(lines) < 61
    numbers = [event["seq"] for event in ran.events if event["seq"]]
    assert numbers == sorted(numbers)
    assert numbers[-1] - numbers[0] + 1 == len(numbers) < numbers[-1], "what is missing is missing by its number"
    live.runtime.cleanup(live.handle)


@pytest.mark.slow
@pytest.mark.parametrize("more", [0, 9_000])
def test_who_follows_late_has_all_of_it_while_the_run_goes_on(unread, tmp_path, more):
    """Also what is beyond the 8 MiB that are sent live: the worker is asked for what has not come."""
    live = unread(more)
    live.printed("all is said")
    assert live.so_far().state == "running"
    lines = live.so_far().log().splitlines()
    assert lines == [*(b"line %d" % n for n in range(60)), *[b"x" * 1000] * more, b"all is said"]
    (tmp_path / "over").touch()
    ran = live.finish()
    assert ran.state == "completed"
    numbers = [event["seq"] for event in ran.events if event["seq"]]
    assert numbers == list(range(1, len(numbers) + 1))
    live.runtime.cleanup(live.handle)
