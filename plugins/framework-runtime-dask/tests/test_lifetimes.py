"""How long a cluster of this machine and its workers stay, what holds them, and what is seen of them meanwhile."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from framework.engine.execute import execute
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.errors import UsageError
from framework.models import Function, FunctionMetadata
from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_dask.commands import dask
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.providers.local import LocalProvider
from framework_runtime_dask.runtime import DaskRuntime

IDLE = 2.0  # seconds
PATIENCE = 60.0  # seconds

HERE = """
import time
import framework as fw

def main(context: fw.Context, pause: float) -> int:
    client = context.dask_client
    first = client.submit(pow, 2, 3).result()
    time.sleep(pause)
    return first + client.submit(pow, 2, 4).result()
"""


def function(name, **options):
    made = Function(kind="dask", metadata=FunctionMetadata(name=name))
    made.spec.scale.replicas = 1
    made.spec.options = options
    return made


def until(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def provider(tmp_path):
    provider = LocalProvider(tmp_path)
    yield provider
    for place in provider.clusters():
        provider.close(place)


@pytest.mark.slow
def test_a_result_that_nobody_has_collected_holds_a_cluster_which_ends_by_itself_afterwards(provider, tmp_path):
    runtime = DaskRuntime(RuntimeContext(home=str(tmp_path)))
    planned = submission("dask", "def main(): return 7", params={})
    planned.function.spec.options = {"idle_timeout": f"{IDLE:g}s"}
    live = Live(runtime, planned, runtime.submit(planned))
    assert live.finish().state == "completed"
    time.sleep(2 * IDLE)
    (place,) = provider.clusters()
    runtime.cleanup(live.handle)
    until(lambda: provider.clusters() == [])
    until(lambda: not is_alive(int(place.facts["pid"])))
    runtime.close()


@pytest.fixture
def session_home(tmp_path):
    return tmp_path


def here(tmp_path, pause, **limits):
    path = tmp_path / "job.py"
    path.write_text(HERE)
    options = {"driver": "client", "idle_timeout": f"{IDLE:g}s"}
    return RunRequest(
        target=str(path),
        handler="main",
        kind="dask",
        params={"pause": pause},
        overrides={"options": options, "scale": {"replicas": 1}},
        timeouts=limits,
    )


@pytest.mark.slow
def test_a_handler_beside_the_cluster_holds_it_while_it_has_no_task_there(provider, session, tmp_path):
    run = execute(session, plan(session, here(tmp_path, 2.5 * IDLE)))
    assert run["status"]["state"] == "completed", run["status"]
    assert run["status"]["results"]["return"] == 24
    until(lambda: provider.clusters() == [])


@pytest.mark.slow
def test_the_time_limit_of_a_handler_beside_the_cluster_is_its_own(provider, session, tmp_path):
    run = execute(session, plan(session, here(tmp_path, 600.0, run=3.0, grace=1.0)))
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "Timeout"), run["status"]
    until(lambda: provider.clusters() == [])


@pytest.mark.slow
def test_workers_whose_scheduler_is_gone_end_when_they_have_looked_for_it_for_long_enough(provider):
    made = function("orphans")
    # A worker that begins has no more time than that for its first word, on a busy machine too.
    place = provider.ensure(made, DaskOptions(idle_timeout="1h", death_timeout="15s"))
    runner = CliRunner().invoke(
        dask, ["cluster", "show", place.cluster, "--json"], env={"FRAMEWORK_HOME": str(provider.home)}
    )
    pids = [worker["pid"] for worker in json.loads(runner.stdout)["workers"].values()]
    assert [is_alive(pid) for pid in pids] == [True]
    os.kill(int(place.facts["pid"]), signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.slow
def test_a_dashboard_is_where_the_cluster_says(provider):
    pytest.importorskip("bokeh", reason="the dashboard is an extra")
    place = provider.ensure(function("seen"), DaskOptions(idle_timeout="1h", dashboard="127.0.0.1:0"))
    shown = CliRunner().invoke(dask, ["cluster", "show", place.cluster], env={"FRAMEWORK_HOME": str(provider.home)})
    url = shown.stdout.splitlines()[0].split()[-1]
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(url, timeout=30) as page:
        assert b"Dask Diagnostic UI" in page.read()


def test_a_dashboard_without_its_library_is_refused_before_anything_is_started(provider, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "bokeh" else name)
    with pytest.raises(UsageError, match=r"options\.dashboard is ':8787', and the library bokeh") as refused:
        provider.validate(function("seen"), DaskOptions(dashboard=":8787"))
    assert "framework-runtime-dask[dashboard]" in refused.value.advice
