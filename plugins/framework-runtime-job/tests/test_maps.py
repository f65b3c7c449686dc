"""A map as its follower sees it: every item once and whole, whatever becomes of pods and streams."""

from __future__ import annotations

import io
import json
import threading

import pytest

from framework.errors import BackendError
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_run import ends
from framework_run.events import Producer
from framework_run.frames import encode
from framework_runtime_job.api import Refused, Unreachable
from framework_runtime_job.map_following import MapFollowing
from framework_runtime_job.map_observing import observation
from framework_runtime_job.names import INDEX
from framework_runtime_job.pending import ABORT
from framework_runtime_job.runtime import JobRuntime

TOKEN = "0123456789abcdef"
HANDLE = {"namespace": "n", "job": "j", "run": {"uid": "map", "attempt": 1}, "token": TOKEN, "uids": ["u0", "u1", "u2"]}


def pod(index, state, **metadata):
    """A pod: ``state`` is waiting, running or terminated."""
    status = {"containerStatuses": [{"name": "run", "state": {state: {}}}]}
    labels = {INDEX: str(index)}
    found = {"name": f"p{index}", "labels": labels, "creationTimestamp": "t", "uid": f"x{index}", **metadata}
    return {"metadata": found, "spec": {"containers": [{"name": "run"}]}, "status": status}


def log(index, *, ended=True):
    producer = Producer({"uid": f"u{index}", "attempt": 1})
    events = [producer.event("state", {"state": "running"}), producer.event("result", {"values": {"n": index}})]
    if ended:
        events.append(producer.event("end", ends.completed()))
    frames = b"".join(frame for event in events for frame in encode(event, TOKEN))
    return b"".join(b"2026-11-24T12:00:00.1Z " + line + b"\n" for line in frames.split(b"\n")[:-1])


class _Answer(io.BytesIO):
    """A response as a stream is."""

    def stream(self, size, **_options):
        while piece := self.read(size):
            yield piece


class _Watch:
    """A watch that tells what it has, and then nothing until it is let go of."""

    def __init__(self, changes):
        self._changes, self._closed = changes, threading.Event()

    def stream(self, _size, **_options):
        for change in self._changes:
            yield json.dumps(change).encode() + b"\n"
        self._closed.wait(60)

    def shutdown(self):
        self._closed.set()

    def close(self):
        self._closed.set()


class FakeApi:
    """A cluster with the pods of one map."""

    server = "https://here"
    namespace = "n"

    def __init__(self, pods=(), logs=None, changes=(), job=None):
        self.pods, self.logs, self.changes = list(pods), logs or {}, list(changes)
        self.job = job or {"metadata": {"uid": "j"}, "status": {}}
        self.asked, self.deleted = [], []

    def get(self, _path, **_query):
        return {"items": self.pods, "metadata": {"resourceVersion": "1"}}

    def list(self, path, **_query):
        return [] if path.endswith("events") else self.pods

    def find(self, path):
        return self.job if "/jobs/" in path else {"metadata": {"uid": "here", "creationTimestamp": "t"}}

    def stream(self, path, **query):
        if "watch" in query:
            return _Watch(self.changes)
        name = path.split("/")[-2]
        self.asked.append((name, query.get("sinceTime")))
        found = self.logs[name]
        data = found.pop(0) if isinstance(found, list) else found
        if isinstance(data, Exception):
            raise data
        return _Answer(data)

    def delete(self, path, **_options):
        self.deleted.append(path)

    def age(self, stamp):
        return 100.0 if stamp == "long ago" else 0.0


def followed(api, cursor=None, *, wait=True, handle=HANDLE):
    events, at = [], {}
    for batch, at in MapFollowing(api, handle, cursor or {}).batches(wait=wait):
        events += batch
        json.dumps(at)
    return events, at


def results(events):
    return sorted(event["run"] for event in events if event["kind"] == "result")


def test_every_item_is_read_once_and_to_its_end():
    api = FakeApi([pod(n, "terminated") for n in range(3)], {f"p{n}": log(n) for n in range(3)})
    events, cursor = followed(api)
    assert results(events) == ["u0", "u1", "u2"]
    assert len(events) == 9
    assert cursor == {"done": "0-2"}
    assert followed(api, cursor) == ([], {})


def test_what_is_there_is_read_and_the_rest_later():
    api = FakeApi([pod(0, "terminated"), pod(1, "running")], {"p0": log(0), "p1": log(1, ended=False)})
    events, cursor = followed(api, wait=False)
    assert results(events) == ["u0", "u1"]
    assert (cursor["done"], list(cursor["open"])) == ("0", ["1"])
    api = FakeApi([pod(0, "terminated"), pod(1, "terminated"), pod(2, "terminated")])
    api.logs = {"p1": log(1), "p2": log(2)}
    events, cursor = followed(api, json.loads(json.dumps(cursor)))
    assert [event["kind"] for event in events if event["run"] == "u1"] == ["end"]
    assert cursor == {"done": "0-2"}


def test_pods_come_by_the_watch():
    changes = [{"type": "ADDED", "object": pod(n, "waiting")} for n in range(3)]
    changes += [{"type": "MODIFIED", "object": pod(n, "terminated")} for n in range(3)]
    events, _ = followed(FakeApi([], {f"p{n}": log(n) for n in range(3)}, changes))
    assert results(events) == ["u0", "u1", "u2"]


def test_an_item_that_dies_has_its_cause_while_others_go_on():
    dead = pod(1, "terminated")
    dead["status"]["containerStatuses"][0]["state"]["terminated"] = {"reason": "OOMKilled", "exitCode": 137}
    api = FakeApi([pod(0, "terminated"), dead, pod(2, "terminated")])
    api.logs = {"p0": log(0), "p1": log(1, ended=False), "p2": log(2)}
    events, cursor = followed(api)
    (end,) = [event["data"] for event in events if event["kind"] == "end" and event["run"] == "u1"]
    assert (end["cause"], end["provisional"]) == ("OutOfMemory", True)
    assert cursor == {"done": "0-2"}


def test_a_log_that_its_node_does_not_give_now_is_read_again():
    api = FakeApi([pod(n, "terminated") for n in range(3)], {f"p{n}": log(n) for n in range(3)})
    api.logs["p1"] = [Refused(500, "", "its node does not answer"), Unreachable("away"), log(1)]
    events, _ = followed(api)
    assert results(events) == ["u0", "u1", "u2"]


def test_a_pod_that_was_taken_away_says_why():
    gone = pod(1, "waiting")
    gone["status"]["conditions"] = [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "for a better one"}
    ]
    changes = [{"type": "DELETED", "object": gone}]
    api = FakeApi([pod(0, "terminated"), pod(1, "waiting"), pod(2, "terminated")], changes=changes)
    api.logs = {"p0": log(0), "p2": log(2)}
    events, _ = followed(api)
    (end,) = [event["data"] for event in events if event["run"] == "u1"]
    assert (end["cause"], end["message"]) == ("Preempted", "for a better one")


def test_an_item_that_cannot_begin_makes_room_for_the_next():
    stuck = pod(1, "waiting")
    stuck["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "InvalidImageName", "message": "no"}}
    api = FakeApi([pod(0, "terminated"), stuck, pod(2, "terminated")], {"p0": log(0), "p2": log(2)})
    events, _ = followed(api)
    (end,) = [event["data"] for event in events if event["run"] == "u1"]
    assert end["cause"] == "ImagePull"
    assert api.deleted == ["/api/v1/namespaces/n/pods/p1"]


def test_where_none_can_begin_all_have_that_end_and_no_pod_is_touched():
    stuck = pod(0, "waiting")
    stuck["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "InvalidImageName", "message": "no"}}
    api = FakeApi([stuck])
    assert followed(api)[0] == []
    seen = observation(api, HANDLE)
    assert seen.alive is False
    assert {uid: end["cause"] for uid, end in seen.ends.items()} == dict.fromkeys(HANDLE["uids"], "ImagePull")
    assert api.deleted == []


def _job(kind, **annotations):
    conditions = [{"type": kind, "status": "True", "reason": "FailedIndexes", "message": "1 failed"}] if kind else []
    return {"metadata": {"uid": "j", "annotations": annotations}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("pods", "job", "alive", "causes"),
    [
        ([pod(0, "running")], _job(""), True, {}),
        ([pod(0, "running")], _job("", **{ABORT: "1"}), True, {}),
        ([], _job("", **{ABORT: "1"}), False, dict.fromkeys(HANDLE["uids"], "Aborted")),
        ([pod(0, "terminated")], _job("Failed"), False, {"u1": "Lost", "u2": "Lost"}),
        ([], _job("Complete"), False, dict.fromkeys(HANDLE["uids"], "Lost")),
    ],
)
def test_what_is_concluded_of_items_that_say_nothing(pods, job, alive, causes):
    seen = observation(FakeApi(pods, job=job), HANDLE)
    assert seen.alive is alive
    assert {uid: end["cause"] for uid, end in seen.ends.items()} == causes


def test_of_what_was_asked_to_end_it_is_said_whether_it_had_begun():
    job = _job("", **{ABORT: "1"})
    job["status"]["failedIndexes"] = "1"
    said = {uid: end["message"] for uid, end in observation(FakeApi([], job=job), HANDLE).ends.items()}
    assert said.pop("u1") == "it was asked to end, and its pod is gone with what it had to say"
    assert set(said.values()) == {"it was asked to end before it began"}


class _Made(FakeApi):
    """Keeps what is created; the Job is refused where that is asked for."""

    def __init__(self, refused=None):
        super().__init__()
        self.made, self.patched, self.refused = [], [], refused

    def create(self, path, body, **_query):
        if path.endswith("/jobs") and self.refused:
            raise self.refused
        self.made.append(body)
        metadata = {**body["metadata"], "uid": f"uid-{body['metadata']['name']}"}
        return {**body, "metadata": metadata}

    def patch(self, path, body, **_query):
        self.patched.append((path.rpartition("/")[2], body["metadata"]["ownerReferences"][0]["name"]))


def _mapped(tmp_path, api, parallelism=0, count=3):
    runtime = JobRuntime(RuntimeContext(home=str(tmp_path), settings={"image": "python:3.11-slim"}))
    runtime.api = lambda *_names: api
    planned = [submission("job", "def main(): pass", params={"n": n}) for n in range(count)]
    for each in planned:
        each.document["record"]["spec"]["parent"] = "0198f2f0-1111-7222-8333-444455556666"
    return runtime, planned, lambda: runtime.map(planned, parallelism)


@pytest.mark.parametrize(("parallelism", "at_once"), [(0, 3), (2, 2), (9, 3)])
def test_a_map_is_one_job_whose_pods_know_their_index(tmp_path, parallelism, at_once):
    api = _Made()
    runtime, planned, start = _mapped(tmp_path, api, parallelism)
    handle = start()
    job = next(each for each in api.made if each["kind"] == "Job")
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, at_once)
    assert spec["backoffLimitPerIndex"] == 0
    assert "backoffLimit" not in spec
    assert handle["uids"] == [each.uid for each in planned]
    assert handle["run"]["uid"] == planned[0].document["record"]["spec"]["parent"]
    name = handle["job"]
    assert [made["metadata"]["name"] for made in api.made if made["kind"] == "Secret"] == [name, f"{name}-items-0"]
    assert api.patched == [(name, name), (f"{name}-items-0", name)]
    assert [noted for _, noted in runtime.uncollected()] == [handle]
    runtime.cleanup(handle)
    assert list(runtime.uncollected()) == []


def test_a_map_that_is_refused_leaves_nothing(tmp_path):
    api = _Made(BackendError("no"))
    runtime, _, start = _mapped(tmp_path, api)
    with pytest.raises(BackendError):
        start()
    made = [f"/api/v1/namespaces/n/secrets/{each['metadata']['name']}" for each in api.made if each["kind"] == "Secret"]
    assert api.deleted[1:] == made
    assert list(runtime.uncollected()) == []
