"""Handlers that run where they are submitted (`options.driver`), while their tasks run on the workers."""

from __future__ import annotations

import os
import time

import pytest

from framework.engine.aborting import abort
from framework.engine.collect import collect
from framework.engine.execute import execute
from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.errors import UsageError
from framework.models.causes import ENDED
from framework_runtime_dask.providers.local import LocalProvider

CODE = """
import os, pathlib, time
import framework as fw

def main(context: fw.Context, n: int, sees: str = "", pause: float = 0.0):
    print("number", n)
    client = context.dask_client
    assert client is fw.context().dask_client
    pids = client.gather([client.submit(os.getpid, pure=False) for _ in range(4)])
    time.sleep(pause)
    context.log_artifact("note", b"kept")
    return [client.submit(pow, n, 2).result(), os.getpid() in pids, os.getpid(), pathlib.Path(sees).exists()]
"""


def request(tmp_path, **options):
    path = tmp_path / "job.py"
    path.write_text(CODE)
    over = {"options": {"driver": "client", **options}}
    params = {"n": 5, "sees": str(path)}
    return RunRequest(target=str(path), handler="main", kind="dask", params=params, overrides=over)


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["local", "address"])
def test_the_handler_is_here_and_its_tasks_are_there(session, shared_home, tmp_path, provider):
    (place,) = [it for it in LocalProvider(shared_home).clusters() if it.cluster == "default-shared"]
    options = {"provider": "address", "address": place.address} if provider == "address" else {}
    run = execute(session, plan(session, request(tmp_path, **options)))
    assert run["status"]["state"] == "completed", run["status"]
    assert run["status"]["results"]["return"] == [25, False, run["status"]["attempts"][0]["pid"], True]
    assert run["status"]["artifacts"]["note"]["size"] == 4
    log = b"".join(chunk.data for chunk in session.database.log(run["metadata"]["uid"])).decode()
    assert log.splitlines()[0] == "number 5"
    assert session.database.active_runs() == []


BEATS = """
import pathlib, time
import framework as fw

def work(beat):
    while True:
        pathlib.Path(beat).write_text("on")
        time.sleep(0.02)

def main(context: fw.Context, n: int, sees: str):
    context.dask_client.submit(work, sees + ".beat").result(timeout=3)
"""


@pytest.mark.slow
def test_what_it_has_submitted_ends_with_it(session, tmp_path):
    asked = request(tmp_path)
    (tmp_path / "job.py").write_text(BEATS)
    run = execute(session, plan(session, asked))
    assert run["status"]["cause"] == "UserError", run["status"]
    beat, deadline = tmp_path / "job.py.beat", time.monotonic() + 60
    assert beat.exists()
    while beat.exists():
        assert time.monotonic() < deadline
        beat.unlink()
        time.sleep(0.3)


def test_its_client_may_go_and_it_is_asked_to_end_as_any_run(session, tmp_path):
    asked = request(tmp_path)
    asked.params["pause"] = 60
    run = execute(session, plan(session, asked), watch=False)
    uid, deadline = run["metadata"]["uid"], time.monotonic() + 60
    while session.database.run(uid)["status"]["state"] != "running":
        assert time.monotonic() < deadline
        collect(session)
        time.sleep(0.1)
    abort(session, uid, 5.0)
    while (found := session.database.run(uid)["status"])["state"] not in ENDED:
        assert time.monotonic() < deadline, found
        collect(session)
        time.sleep(0.1)
    assert found["cause"] == "Aborted"


def test_items_of_a_map_are_on_the_workers(session, tmp_path):
    asked = request(tmp_path)
    asked.params = {}
    with pytest.raises(UsageError, match=r"options\.driver is 'client', and the items of a map run on the workers"):
        execute_map(session, plan_map(session, asked, [{"n": 1}]))
    assert os.listdir(session.home / "dask" / "clusters")  # noqa: PTH208  nothing was started for it
