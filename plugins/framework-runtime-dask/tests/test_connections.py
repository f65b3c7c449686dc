"""Connections to schedulers: shared while they are used, and closed afterwards, however that comes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from distributed import Client, LocalCluster

from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_dask import connections
from framework_runtime_dask.connections import THREAD, Connections
from framework_runtime_dask.provider import Place, UnreachableError
from framework_runtime_dask.runtime import DaskRuntime


def threads():
    return [it for it in threading.enumerate() if it.name == THREAD]


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster():
    where = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=2, **where) as cluster:
        yield cluster


@pytest.fixture
def place(cluster):
    return Place(provider="address", cluster="it", address=cluster.scheduler_address, security={}, facts={})


@pytest.fixture
def made():
    return Connections(lambda place: place.address)


def runtime_of(home, cluster):
    settings = {"provider": "address", "address": cluster.scheduler_address}
    return DaskRuntime(RuntimeContext(home=str(home), settings=settings))


def clients(cluster):
    return set(cluster.scheduler.clients) - {"fire-and-forget"}


def test_who_comes_soon_gets_the_same_and_the_last_one_closes_it(monkeypatch, cluster, made, place):
    monkeypatch.setattr(connections, "_LINGER", 0.5)
    with made.client(place) as first:
        with made.client(place) as second:
            assert second is first
        assert len(threads()) == 1
        time.sleep(1.5)  # three times as long as it stays when nobody uses it
        assert first.status == "running"
    with made.client(place) as third:
        assert third is first
    until(lambda: not threads())
    assert first.status == "closed"
    until(lambda: not clients(cluster))
    with made.client(place) as fourth:
        assert fourth is not first
        assert fourth.submit(pow, 3, 2).result() == 9
    until(lambda: not threads())


def test_a_run_leaves_none_behind(tmp_path, monkeypatch, cluster):
    monkeypatch.setattr(connections, "_LINGER", 0.2)
    runtime = runtime_of(tmp_path, cluster)
    planned = submission("dask", "def main(): return 1")
    live = Live(runtime, planned, runtime.submit(planned))
    assert live.finish().state == "completed"
    runtime.cleanup(live.handle)
    until(lambda: not threads())
    until(lambda: not clients(cluster))


def test_a_runtime_that_is_closed_closes_them_and_its_runs_go_on(tmp_path, cluster):
    runtime = runtime_of(tmp_path, cluster)
    planned = submission("dask", "import time\ndef main():\n time.sleep(1)\n return 1")
    live = Live(runtime, planned, runtime.submit(planned))
    assert threads()
    runtime.close()
    assert not threads()
    until(lambda: clients(cluster) == {live.handle["topic"]})  # who keeps its result, and is no connection
    assert live.finish().results == {"return": 1}
    runtime.cleanup(live.handle)
    runtime.close()
    assert not threads()


def test_a_scheduler_that_does_not_answer_or_goes_leaves_none(made, place):
    nowhere = Place(provider="address", cluster="no", address="tcp://127.0.0.1:1", security={}, facts={})
    with pytest.raises(UnreachableError), made.client(nowhere, timeout=0.5):
        pass
    until(lambda: not threads())
    where = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=0, **where) as other:
        going = Place(provider="address", cluster="g", address=other.scheduler_address, security={}, facts={})
        with made.client(going) as client:
            pass
    until(lambda: client.status != "running")
    made.close()
    until(lambda: not threads())


def test_a_scheduler_that_is_not_told_in_time_is_no_matter(monkeypatch, made, place):
    close = Client.close

    def late(client, **how):
        close(client, **how)
        if how:  # not one that another test has left, and that is closed as it is collected
            raise asyncio.TimeoutError  # before Python 3.11 this is no TimeoutError

    with made.client(place):
        monkeypatch.setattr(Client, "close", late)
    made.close()
    monkeypatch.undo()
    until(lambda: not threads())


ENDS = """
import sys
from framework_runtime_dask import connections
from framework_runtime_dask.connections import Connections
from framework_runtime_dask.provider import Place

connections._LINGER = 300.0
place = Place(provider="address", cluster="it", address=sys.argv[1], security={}, facts={})
with Connections(lambda place: place.address).client(place) as client:
    print(client.id)
"""


def test_the_end_of_a_process_closes_them(cluster, place):
    command = [sys.executable, "-c", ENDS, place.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)  # before whoever comes next
    assert done.stderr == ""
    assert done.stdout.startswith("Client-")
    until(lambda: not clients(cluster))
