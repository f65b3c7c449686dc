"""A map that its kind starts as one, as the engine records it: contents, repeats, and who dies in between."""

from __future__ import annotations

import base64
import hashlib
import signal
import time
import zlib

import pytest

from framework.databases import RunQuery
from framework.engine import map_again, map_there
from framework.engine.collect import collect
from framework.engine.following import followed
from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.request import RunRequest
from framework.engine.session import Session
from framework.models.causes import ENDED
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind
from framework.runtimes import Observation, Runtime
from framework_run import ends
from framework_run.events import Producer

CODE = "def main(n): return n"
RETRY = {"attempts": 3, "on": ["UserError"], "backoff": 0}


class ManyRuntime(Runtime):
    """A backend whose runs do what ``WORLD`` says, at once."""

    def validate(self, function): ...

    def render(self, submission): ...

    def map(self, submissions, parallelism):
        WORLD.started += [(each.document["params"]["n"], 1) for each in submissions]
        uids = [each.uid for each in submissions]
        run = {"uid": submissions[0].document["record"]["spec"]["parent"]}
        return {"kind": "many", "run": run, "uids": uids, "numbers": [n for n, _ in WORLD.started]}

    def submit(self, submission):
        run = submission.document["run"]
        number = submission.document["params"]["n"]
        WORLD.started.append((number, run["attempt"]))
        handle = {"kind": "many", "run": run, "number": number}
        WORLD.noted.append((submission.document["record"], handle))
        if WORLD.dies_behind_submit:
            raise SystemExit(9)
        return handle

    def uncollected(self):
        return iter(WORLD.noted)

    def follow(self, handle, cursor, *, wait=True):
        if "uids" in handle:
            batch = [WORLD.events(uid, n, 1) for uid, n in zip(handle["uids"], handle["numbers"], strict=True)]
            yield [event for events in batch if cursor.get("at") != 1 for event in events], {"at": 1}
        else:
            yield WORLD.events(handle["run"]["uid"], handle["number"], handle["run"]["attempt"]), {"at": 1}
        if WORLD.interrupts:
            WORLD.interrupts -= 1
            signal.raise_signal(signal.SIGINT)

    def observe(self, handle):
        return Observation(alive=False, end=ends.lost("it is gone"))

    def cancel(self, handle, grace):
        WORLD.cancelled.append(handle["run"]["uid"])

    def cleanup(self, handle):
        WORLD.noted = [each for each in WORLD.noted if each[1] != handle]


class _World:
    """What items do: the number of the attempt in which each completes, and what it reports."""

    def __init__(self):
        self.completes = {}
        self.content = b""
        self.started, self.noted, self.cancelled = [], [], []
        self.dies_behind_submit = False
        self.interrupts = 0

    def events(self, uid, number, attempt):
        producer = Producer({"uid": uid, "attempt": attempt})
        events = [producer.event("state", {"state": "running"})]
        if self.content:
            data = {"key": "model", "type": "file", "format": "txt", "name": "model.txt", "metadata": {}}
            data["digest"] = f"sha256:{hashlib.sha256(self.content).hexdigest()}"
            data |= {"size": len(self.content), "content": base64.b64encode(zlib.compress(self.content)).decode()}
            events.append(producer.event("artifact", data))
        done = attempt >= self.completes.get(number, 1)
        end = ends.completed() if done else ends.failed("UserError", f"not before {self.completes[number]}", "")
        return [*events, producer.event("end", end)]


WORLD = _World()


class _Plugin:
    @hookimpl
    def framework_runtimes(self):
        target = f"{__name__}:ManyRuntime"
        return [RuntimeKind(name="many", summary="many", runtime=target, capabilities=frozenset({"map"}))]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    WORLD.__init__()
    plugins = Plugins(["db-sql", "storage-file"])
    plugins.register(_Plugin(), "many")
    monkeypatch.setattr("framework.plugins.manager.Plugins._make", _made(Plugins._make))
    monkeypatch.setattr(map_again, "_LOOK", 0.0)
    monkeypatch.setattr(map_there, "_PAUSE", 0.0)
    session = Session(plugins=plugins)
    yield session
    session.database.close()


def _made(make):
    """Targets in this file are no module that can be imported by its name."""

    def wrapped(self, target, plugin, topic, argument):
        return ManyRuntime(argument) if target.endswith(":ManyRuntime") else make(self, target, plugin, topic, argument)

    return wrapped


@pytest.fixture
def mapped(session, tmp_path):
    def start(count, *, parallelism=0, watch=True, **over):
        path = tmp_path / "job.py"
        path.write_text(CODE)
        request = RunRequest(target=str(path), handler="main", kind="many", **over)
        return execute_map(
            session, plan_map(session, request, [{"n": n} for n in range(count)], parallelism), watch=watch
        )

    return start


def items_of(session, run):
    return session.database.runs(RunQuery(parent=run["metadata"]["uid"], descending=False, limit=None))


def collected(session, run):
    for _ in range(20):
        collect(session)
        found = session.database.run(run["metadata"]["uid"])
        if found["status"]["state"] in ENDED:
            return found
    raise AssertionError(found["status"])


def test_contents_that_items_send_are_in_the_storage(session, mapped):
    WORLD.content = b"weights"
    run = mapped(3)
    for item in items_of(session, run):
        artifact = item["status"]["artifacts"]["model"]
        with session.storage_at("").open(artifact["uri"]) as stream:
            assert stream.read() == b"weights"


def test_an_item_that_failed_is_repeated_when_it_is_due_and_no_other(session, mapped):
    WORLD.completes = {1: 2, 3: 3, 4: 9}
    run = mapped(5, retry=RETRY)
    assert run["status"]["results"] == {"completed": 4, "failed": 1}
    assert [len(item["status"]["attempts"]) for item in items_of(session, run)] == [1, 2, 1, 3, 3]
    assert sorted(WORLD.started[5:]) == [(1, 2), (3, 2), (3, 3), (4, 2), (4, 3)]
    assert WORLD.noted == []


def test_no_more_are_repeated_at_once_than_the_map_may_run(session, mapped, monkeypatch):
    WORLD.completes = dict.fromkeys(range(6), 2)
    most = []
    submit = ManyRuntime.submit
    monkeypatch.setattr(ManyRuntime, "submit", lambda self, it: (submit(self, it), most.append(len(WORLD.noted)))[0])
    run = mapped(6, retry=RETRY, parallelism=2)
    assert run["status"]["results"] == {"completed": 6, "failed": 0}
    assert (len(most), max(most)) == (6, 2)


def test_a_repeat_whose_client_died_before_it_could_note_it_is_started_once(session, mapped):
    WORLD.completes = {0: 2, 1: 2}
    WORLD.dies_behind_submit = True
    with pytest.raises(SystemExit):
        mapped(2, retry=RETRY)
    WORLD.dies_behind_submit = False
    (run,) = session.database.runs(RunQuery())
    assert collected(session, run)["status"]["results"] == {"completed": 2, "failed": 0}
    assert sorted(WORLD.started[2:]) == [(0, 2), (1, 2)]
    assert WORLD.noted == []


def test_who_follows_a_map_that_another_has_followed_takes_on_its_repeats(session, mapped):
    WORLD.completes = {0: 3}
    run = mapped(2, retry=RETRY, watch=False)
    assert WORLD.started == [(0, 1), (1, 1)]
    assert collected(Session(plugins=session.plugins), run)["status"]["results"] == {"completed": 2, "failed": 0}
    assert WORLD.started[2:] == [(0, 2), (0, 3)]


def test_who_only_looks_follows_the_map_as_it_goes_and_its_repeats(session, mapped, monkeypatch):
    WORLD.completes = {0: 2}
    run = mapped(2, retry=RETRY, watch=False)
    asked = []
    follow = ManyRuntime.follow
    monkeypatch.setattr(ManyRuntime, "follow", lambda *args, wait=True: asked.append(wait) or follow(*args, wait=wait))
    with followed(session, [run["metadata"]["uid"]]) as followers:
        deadline = time.monotonic() + 60
        while not followers.is_over:
            assert time.monotonic() < deadline
            followers.wait(0.1)
    assert session.database.run(run["metadata"]["uid"])["status"]["results"] == {"completed": 2, "failed": 0}
    assert asked[0], "it is not only looked at now and then"


def test_ctrl_c_is_noted_so_that_nobody_repeats_what_was_asked_to_end(session, mapped):
    WORLD.completes = {0: 3}
    WORLD.interrupts = 1
    policy = {**RETRY, "backoff": 1e6, "backoff_cap": 1e6}
    run = mapped(2, retry=policy)
    assert (run["status"]["state"], run["status"]["results"]) == ("aborted", {"completed": 1, "failed": 1})
    assert run["status"]["attempts"][0]["stopped"]
    assert items_of(session, run)[0]["status"]["cause"] == "Aborted"
    assert WORLD.cancelled == [run["metadata"]["uid"]]
    assert WORLD.started == [(0, 1), (1, 1)]
