"""A run that waits at a backend for longer than it may is ended by whoever looks."""

from __future__ import annotations

import time

import pytest

from framework.engine.collect import collect
from framework.engine.execute import Follower
from framework.engine.pending import overdue
from framework.engine.session import Session
from framework.models.causes import ENDED
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind
from framework.runtimes import Observation, Runtime
from framework_run.events import Producer
from framework_run.uid import new_uid

CANCELLED: list[str] = []
UNREACHABLE: set[str] = set()
WAITS = {"cause": "Unschedulable", "message": "the queue is full"}
SAYING: set[str] = set()  # whose backend says why they wait


class QueueRuntime(Runtime):
    """A backend with a queue that does not move."""

    def validate(self, function): ...

    def render(self, submission): ...

    def submit(self, submission): ...

    def cancel(self, handle, grace):
        CANCELLED.append(handle["run"]["uid"])

    def observe(self, handle):
        uid = handle["run"]["uid"]
        return Observation(alive=None if uid in UNREACHABLE else True, waits=WAITS if uid in SAYING else None)

    def follow(self, handle, cursor, *, wait=True):
        while wait:
            time.sleep(0.01)
            yield [], cursor

    def cleanup(self, handle): ...


class _Plugin:
    @hookimpl
    def framework_runtimes(self):
        return [
            RuntimeKind(name="queue", summary="queue", runtime=f"{__name__}:QueueRuntime", capabilities=frozenset())
        ]


@pytest.fixture
def session(tmp_path, monkeypatch):
    for name in ("DB", "STORAGE", "PROJECT", "PLUGINS"):
        monkeypatch.delenv(f"FRAMEWORK_{name}", raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path))
    CANCELLED.clear()
    UNREACHABLE.clear()
    SAYING.clear()
    plugins = Plugins(["db-sql", "storage-file", "runtime-local"])
    plugins.register(_Plugin(), "queue")
    session = Session(plugins=plugins)
    monkeypatch.setitem(session._runtimes, "queue", QueueRuntime(None))
    yield session
    if "database" in vars(session):
        session.database.close()


def submitted(session, *, pending, ago, kind="queue"):
    uid = new_uid()
    run = {
        "metadata": {"uid": uid, "name": "waits"},
        "spec": {"kind": kind, **({"timeouts": {"pending": pending}} if pending else {})},
        "status": {"state": "pending", "created": time.time() - ago},
    }
    session.database.create_run(run, handle={"kind": kind, "version": 1, "run": {"uid": uid, "attempt": 1}})
    return uid


def test_whoever_looks_ends_a_run_that_has_waited_too_long(session):
    late = submitted(session, pending=60, ago=61)
    early = submitted(session, pending=60, ago=1)
    endless = submitted(session, pending=None, ago=1e6)
    assert collect(session) == [late]
    status = session.database.run(late)["status"]
    assert (status["state"], status["cause"]) == ("failed", "Timeout")
    assert status["message"] == "its code had not begun after its limit of 60 s"
    assert [session.database.run(uid)["status"]["state"] for uid in (early, endless)] == ["pending", "pending"]
    assert [late] == CANCELLED


def test_its_end_says_what_it_waited_for_where_its_backend_knows(session):
    uid = submitted(session, pending=60, ago=61)
    SAYING.add(uid)
    assert collect(session) == [uid]
    status = session.database.run(uid)["status"]
    assert (status["state"], status["cause"], status["message"]) == ("failed", "Unschedulable", "the queue is full")
    assert status["advice"] == "Raise --pending-timeout, or look at what it waited for."


def test_of_a_backend_that_does_not_answer_nothing_is_concluded(session):
    uid = submitted(session, pending=60, ago=61)
    UNREACHABLE.add(uid)
    assert collect(session) == []
    assert session.database.run(uid)["status"]["state"] == "pending"


def test_a_follower_ends_it_when_the_time_is_over(session):
    uid = submitted(session, pending=0.3, ago=0)
    handle = session.database.active_run(uid).handle
    status = Follower(session, session.runtime("queue"), uid, handle).follow()["status"]
    assert (status["state"] in ENDED, status["cause"]) == (True, "Timeout")


def test_a_run_that_has_begun_does_not_wait(session):
    uid = submitted(session, pending=60, ago=61)
    session.database.apply(uid, [Producer({"uid": uid}).event("state", {"state": "running"})])
    assert overdue(session, session.database.run(uid), "queue", 1) is None
    assert collect(session) == []


def test_the_attempt_that_is_started_now_counts_from_its_claim(session):
    uid = submitted(session, pending=60, ago=1e6)
    run = session.database.run(uid)
    run["status"]["retry"] = {"attempt": 2, "claim": {"time": time.time() - 1}}
    assert overdue(session, run, "queue", 2) is None
    run["status"]["retry"]["claim"]["time"] -= 60
    assert overdue(session, run, "queue", 2) is not None


def test_a_kind_whose_supervisor_counts_is_left_alone(session):
    uid = submitted(session, pending=60, ago=61, kind="local")
    assert overdue(session, session.database.run(uid), "local", 1) is None
