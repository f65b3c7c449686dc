"""Runs of remote kinds are looked at within a bound of time, and nothing is concluded from silence."""

from __future__ import annotations

import threading
import time

import pytest

from framework.engine import elsewhere, inline
from framework.engine.collect import collect, collect_one
from framework.engine.session import Session
from framework.errors import BackendError
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind
from framework.runtimes import Observation, Runtime
from framework_run import ends
from framework_run.events import Producer
from framework_run.uid import new_uid

HANG = threading.Event()
SAID: dict[str, str] = {}  # what the backend does with a run: uid to "hangs", "fails", "runs", "is gone", "ended"
CLEANED: list[str] = []
LOADS = {"far": 0.0}  # seconds that the client library of the backend takes
NOTED: list[tuple[dict, dict]] = []


class FarRuntime(Runtime):
    """A backend as bad as they can be."""

    def load(self):
        time.sleep(LOADS["far"])
        if LOADS["far"]:
            raise ImportError("half a library")

    def validate(self, function): ...

    def render(self, submission): ...

    def submit(self, submission): ...

    def cancel(self, handle, grace): ...

    def observe(self, handle):
        if SAID[handle["run"]["uid"]] == "is gone":
            return Observation(alive=False, end=ends.lost("gone"))
        if SAID[handle["run"]["uid"]] == "cannot begin":
            return Observation(alive=False, end=ends.backend("there is no such image", advice="Name another."))
        return Observation(alive=SAID[handle["run"]["uid"]] != "ended")

    def follow(self, handle, cursor, *, wait=True):
        what = SAID[handle["run"]["uid"]]
        if what == "hangs":
            HANG.wait(60)
        if what == "fails":
            raise BackendError("no route to the cluster")
        if what == "ended" and not cursor:
            producer = Producer(handle["run"])
            began = producer.event("state", {"state": "running"})
            yield [began, producer.event("end", ends.completed())], {"at": 2}

    def uncollected(self):
        return iter(NOTED)

    def cleanup(self, handle):
        CLEANED.append(handle["run"]["uid"])


class _Plugin:
    @hookimpl
    def framework_runtimes(self):
        target = f"{__name__}:FarRuntime"
        return [RuntimeKind(name="far", summary="far", runtime=target, capabilities=frozenset({"remote"}))]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path))
    SAID.clear()
    CLEANED.clear()
    NOTED.clear()
    HANG.clear()
    plugins = Plugins(["db-sql", "storage-file"])
    plugins.register(_Plugin(), "far")
    monkeypatch.setattr("framework.plugins.manager.Plugins._make", _made(Plugins._make))
    session = Session(plugins=plugins)
    yield session
    HANG.set()
    if "database" in vars(session):
        session.database.close()


def _made(make):
    """Targets in this file are no module that can be imported by its name."""

    def wrapped(self, target, plugin, topic, argument):
        return FarRuntime(argument) if target.endswith(":FarRuntime") else make(self, target, plugin, topic, argument)

    return wrapped


def _run(session, what):
    uid = new_uid()
    SAID[uid] = what
    document = {
        "metadata": {"uid": uid, "name": what.replace(" ", "-"), "project": "default"},
        "spec": {"kind": "far", "params": {}},
        "status": {"state": "pending", "created": time.time()},
    }
    session.database.create_run(document, handle={"kind": "far", "version": 1, "run": {"uid": uid}})
    return uid


def test_a_backend_that_does_not_answer_keeps_nobody_waiting(session):
    hanging, failing, running = (_run(session, what) for what in ("hangs", "fails", "runs"))
    ended, gone = _run(session, "ended"), _run(session, "is gone")
    silent = {}
    found = collect(session, patience=2.0, on_silent=silent.update)
    assert set(found) == {ended, gone}
    assert set(silent) == {hanging, failing}
    assert "no route" in silent[failing]
    states = {uid: session.database.run(uid)["status"] for uid in SAID}
    assert states[ended]["state"] == "completed"
    assert (states[gone]["state"], states[gone]["cause"]) == ("failed", "Lost")
    assert {states[uid]["state"] for uid in (hanging, failing, running)} == {"pending"}
    assert set(CLEANED) == {ended, gone}


def test_what_loading_its_client_library_takes_is_not_taken_for_silence(session, monkeypatch):
    uid = _run(session, "ended")
    monkeypatch.setitem(LOADS, "far", 1.0)
    assert collect(session, patience=0.7) == [uid]


def test_who_looks_next_asks_nobody_about_a_run_whose_end_was_inferred(session):
    """It was cleaned up, and nothing more can come: a backend that is gone for good is not to be asked for ever."""
    uid = _run(session, "cannot begin")
    assert collect(session) == [uid]
    assert session.database.run(uid)["status"]["provisional"]
    SAID[uid] = "fails"
    silent = {}
    assert collect(session, on_silent=silent.update) == []
    collect_one(session, session.database.active_run(uid), on_silent=silent.update)
    assert silent == {}
    assert [uid] == CLEANED


def test_a_lost_run_that_is_found_again_has_its_true_end(session):
    uid = _run(session, "is gone")
    collect(session)
    assert session.database.run(uid)["status"]["cause"] == "Lost"
    SAID[uid] = "ended"
    collect(session)
    status = session.database.run(uid)["status"]
    assert (status["state"], status.get("provisional", False)) == ("completed", False)


def test_what_was_not_tidied_up_behind_an_inferred_end_is_by_who_looks_next(session, monkeypatch):
    uid, cleanup, away = _run(session, "cannot begin"), FarRuntime.cleanup, [True]

    def tidy(runtime, handle):
        if away:
            raise BackendError("the cluster has just gone")
        cleanup(runtime, handle)

    monkeypatch.setattr(FarRuntime, "cleanup", tidy)
    silent = {}
    collect(session, on_silent=silent.update)
    assert silent == {uid: "the cluster has just gone"}
    away.clear()
    collect(session)
    assert [uid] == CLEANED


def test_what_was_silent_is_found_by_a_later_command(session):
    uid = _run(session, "fails")
    assert collect(session) == []
    SAID[uid] = "ended"
    assert collect(session) == [uid]
    assert collect(session) == []


def test_without_a_bound_each_is_waited_for(session):
    uids = {_run(session, "ended") for _ in range(elsewhere._THREADS + 5)}
    assert set(collect(session, patience=None)) == uids


def test_a_run_that_could_not_be_tidied_up_is_no_error(session, monkeypatch):
    uid = _run(session, "ended")

    def away(_self, _handle):
        raise BackendError("the cluster has just gone")

    monkeypatch.setattr(FarRuntime, "cleanup", away)
    silent = {}
    collect(session, on_silent=silent.update)
    assert session.database.run(uid)["status"]["state"] == "completed"
    assert silent == {uid: "the cluster has just gone"}


def test_what_an_ended_run_has_left_is_tidied_up_by_a_later_command_and_keeps_nobody_waiting(session, monkeypatch):
    uid = _run(session, "ended")
    collect(session)
    record = session.database.run(uid)
    CLEANED.clear()
    noted = [(record, {"kind": "far", "version": 1, "run": {"uid": uid}})]
    monkeypatch.setattr(FarRuntime, "uncollected", lambda _self: iter(noted))
    SAID[uid] = "hangs"
    assert collect(session, patience=0.5) == []
    assert CLEANED == []
    SAID[uid] = "ended"
    collect(session)
    assert [uid] == CLEANED


def test_one_run_is_brought_up_to_date_in_full(session):
    one, other = _run(session, "ended"), _run(session, "ended")
    collect_one(session, session.database.active_run(one))
    assert session.database.run(one)["status"]["state"] == "completed"
    assert session.database.run(other)["status"]["state"] == "pending"


def _map(session):
    """A map of one item, as its client left it that died when it had started it and not said so yet."""
    uid, item = _run(session, "is gone"), new_uid()
    document = session.database.run(uid)
    session.database.delete_runs([uid])
    document["spec"]["map"] = {"items": 1, "parallelism": 0}
    lock = str(session.home / "live" / "nobody.lock")
    gone = {**inline.handle(session.home), "kind": "map", "of": "far", "lock": lock}
    session.database.create_run(document, handle=gone)
    child = {**document, "metadata": {**document["metadata"], "uid": item}, "spec": {"kind": "far", "parent": uid}}
    session.database.create_runs([child])
    NOTED.append(({"metadata": {"uid": uid}}, {"kind": "far", "version": 1, "run": {"uid": uid}}))
    return uid, item


def test_a_map_whose_client_died_before_it_had_its_handle_goes_on(session):
    uid, item = _map(session)
    SAID[uid] = "runs"
    assert collect(session) == []
    assert session.database.active_run(uid).handle["kind"] == "far"
    began = session.database.run(uid)["status"]["started"]
    SAID[uid] = "is gone"
    assert collect(session) == [uid]
    assert session.database.run(uid)["status"]["started"] == began
    assert session.database.run(item)["status"]["cause"] == "Lost"
    assert session.database.run(uid)["status"]["results"] == {"completed": 0, "failed": 1}
    assert uid in CLEANED


def test_what_is_left_of_a_map_that_has_ended_is_cleaned_up_and_another_database_s_left_alone(session):
    uid, _ = _map(session)
    SAID[uid] = "is gone"
    collect(session)
    CLEANED.clear()
    NOTED.append(({"metadata": {"uid": new_uid()}}, {"kind": "far", "version": 1, "run": {"uid": "other"}}))
    collect(session)
    assert [uid] == CLEANED
