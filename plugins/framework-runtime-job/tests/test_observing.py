"""What is concluded of a pod, and what is not."""

from __future__ import annotations

import io
import json

import pytest
import urllib3

from framework_run.digest import hash_of
from framework_run.events import Producer
from framework_run.frames import encode
from framework_runtime_job.api import Refused, Unreachable
from framework_runtime_job.following import Following
from framework_runtime_job.observing import observation
from framework_runtime_job.pending import ABORT

TOKEN = "0123456789abcdef"
HANDLE = {"namespace": "n", "job": "j", "run": {"uid": "u", "attempt": 1}, "token": TOKEN, "place": "here"}
ENDED = {
    "metadata": {"name": "p"},
    "status": {
        "phase": "Succeeded",
        "containerStatuses": [{"name": "run", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
    },
}
RUNNING = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "run", "state": {"running": {}}}]}}


class FakeApi:
    """A cluster with one pod, one Job and one log; what is an exception is raised."""

    def __init__(self, *, pod=None, job=None, log=b"", mark="here"):
        self.pod, self.job, self.log, self.mark = pod, job, log, mark

    def get(self, path, **query):
        return {"items": self.list(path, **query), "metadata": {"resourceVersion": "1"}}

    def list(self, _path, **_query):
        if isinstance(self.pod, Exception):
            raise self.pod
        return [self.pod] if self.pod else []

    def find(self, path):
        if path.endswith("kube-root-ca.crt"):
            return {"metadata": {"uid": self.mark}}
        return self.job

    def stream(self, _path, **_query):
        if isinstance(self.log, Exception):
            raise self.log
        return urllib3.HTTPResponse(io.BytesIO(self.log), preload_content=False)

    def age(self, _stamp):
        return 0.0


def _job(**annotations):
    return {"metadata": {"uid": "x", "creationTimestamp": "t", "annotations": annotations}, "status": {}}


def _log():
    producer = Producer(HANDLE["run"])
    frames = b"".join(encode(producer.event("end", {"state": "completed"}), TOKEN))
    return b"".join(b"2026-11-24T12:00:00.1Z " + line + b"\n" for line in frames.split(b"\n")[:-1])


def test_a_run_that_has_said_its_end_needs_no_other():
    seen = observation(FakeApi(pod=ENDED, job=_job(), log=_log()), HANDLE)
    assert (seen.alive, seen.end) == (False, None)


def test_exit_code_0_without_a_final_record_is_lost():
    seen = observation(FakeApi(pod=ENDED, job=_job()), HANDLE)
    assert (seen.alive, seen.end["cause"]) == (False, "Lost")
    assert "exit code 0" in seen.end["message"]


def test_a_log_that_is_gone_is_lost():
    seen = observation(FakeApi(pod=ENDED, job=_job(), log=Refused(404, "NotFound", "gone")), HANDLE)
    assert (seen.alive, seen.end["cause"]) == (False, "Lost")


@pytest.mark.parametrize(
    "api",
    [
        FakeApi(pod=ENDED, job=_job(), log=Refused(500, "", "TLS handshake timeout")),  # its node does not answer now
        FakeApi(pod=Unreachable("away"), job=_job()),
        FakeApi(pod=Refused(403, "Forbidden", "no"), job=_job()),
        FakeApi(mark="another cluster"),
        FakeApi(pod=RUNNING),  # its Job is being removed
    ],
)
def test_nothing_is_concluded_from_what_cannot_be_known(api):
    seen = observation(api, HANDLE)
    assert (seen.alive, seen.end) == (None, None)


def test_a_job_that_is_not_there_is_lost():
    assert observation(FakeApi(), HANDLE).end["cause"] == "Lost"


def test_a_pod_that_was_asked_to_end_and_could_not_say_so_is_aborted():
    seen = observation(FakeApi(pod=ENDED, job=_job(**{ABORT: "10"})), HANDLE)
    assert (seen.alive, seen.end["cause"]) == (False, "Aborted")


@pytest.mark.parametrize(("suspend", "said"), [(True, "before it began"), (False, "its pod is gone")])
def test_of_a_pod_that_is_gone_it_is_said_whether_it_had_begun(suspend, said):
    job = {**_job(**{ABORT: "10"}), "spec": {"suspend": suspend}}
    end = observation(FakeApi(job=job), HANDLE).end
    assert end["state"] == "aborted"
    assert said in end["message"]


def _waiting(message):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"metadata": {"name": "p", "creationTimestamp": "t"}, "status": {"conditions": [condition]}}


def test_a_claim_that_is_not_there_is_no_want_of_room():
    api = FakeApi(pod=_waiting('persistentvolumeclaim "data" not found. not found'), job=_job())
    assert observation(api, HANDLE).alive is True  # it may still appear
    api.age = lambda _stamp: 11.0
    assert observation(api, HANDLE).end["cause"] == "BadInput"


def test_a_limit_that_was_kept_late_says_so():
    api = FakeApi(pod=_waiting("0/1 nodes are available"), job=_job())
    api.age = lambda _stamp: 21.0
    end = observation(api, {**HANDLE, "deadlines": {"pending": 20}}).end
    assert (end["cause"], "nobody looked" in end["message"]) == ("Unschedulable", False)
    api.age = lambda _stamp: 500.0
    assert "nobody looked before 500 s" in observation(api, {**HANDLE, "deadlines": {"pending": 20}}).end["message"]


def test_a_run_that_may_still_wait_says_what_its_end_is_when_its_time_is_over():
    api = FakeApi(pod=_waiting("0/1 nodes are available"), job=_job())
    seen = observation(api, {**HANDLE, "deadlines": {"pending": 20}})
    assert (seen.alive, seen.end, seen.waits["cause"]) == (True, None, "Unschedulable")
    assert seen.waits["message"] == "it did not begin within its limit of 20 s: Unschedulable: 0/1 nodes are available"
    assert observation(api, HANDLE).waits is None


class Making(FakeApi):
    """A pod that is being made for a minute, and what its node has said meanwhile."""

    def __init__(self, *events):
        waiting = {"waiting": {"reason": "ContainerCreating"}}
        pod = {"metadata": {"name": "p", "uid": "x", "creationTimestamp": "t"}}
        super().__init__(pod={**pod, "status": {"containerStatuses": [{"name": "run", "state": waiting}]}}, job=_job())
        self.events = [{"reason": reason, "message": message} for reason, message in events]

    def list(self, path, **query):
        return self.events if path.endswith("/events") else super().list(path, **query)

    def age(self, _stamp):
        return 60.0


def test_a_volume_that_is_not_there_ends_it_and_one_that_has_come_since_does_not():
    missing = ("FailedMount", 'MountVolume.SetUp failed for volume "keys": secret "keys" not found')
    assert observation(Making(missing), HANDLE).end["cause"] == "BadInput"
    assert observation(Making(missing, ("Pulling", 'Pulling image "large"')), HANDLE).alive is True


def test_whoever_follows_is_told_once_why_it_does_not_begin(monkeypatch, caplog):
    monkeypatch.setattr("framework_runtime_job.waits._PATIENT", -1.0)
    batches = Following(FakeApi(pod=_waiting("0/1 nodes are available"), job=_job()), HANDLE, {}).live()
    assert [next(batches)[0] for _ in range(3)] == [[], [], []]
    assert caplog.messages == ["j waits: Unschedulable: 0/1 nodes are available"]


def test_what_runs_is_alive():
    assert observation(FakeApi(pod=RUNNING, job=_job()), HANDLE).alive is True


OVER = {"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "low on resource"}}


def test_whoever_follows_a_pod_that_was_over_before_its_container_began_gets_its_end():
    api = FakeApi(pod=OVER, job=_job(), log=Refused(400, "BadRequest", "container is waiting to start"))
    assert [events for events, _ in Following(api, HANDLE, {}).live() if events] == []
    assert observation(api, HANDLE).end["cause"] == "Evicted"


def test_a_log_is_asked_for_again_while_its_node_does_not_answer():
    api = FakeApi(pod=ENDED, job=_job(), log=Refused(502, "", "no route to the node"))
    batches = Following(api, HANDLE, {}).live()
    assert next(batches)[0] == []
    api.log = _log()
    assert [event["kind"] for events, _ in batches for event in events] == ["end"]


def _noted(**facts):
    note = {"state": "completed", "cause": None, "message": "", "exit_code": 0, "events": 2, **facts}
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "message": json.dumps(note)}}
    status = {"phase": "Succeeded", "containerStatuses": [{"name": "run", "state": state}]}
    return {"metadata": {"name": "p"}, "status": status}


def _digest():
    """The lines of a log whose rotation has left the closing digest alone; and its hash."""
    producer = Producer(HANDLE["run"])
    events = [producer.event("result", {"values": {"a": 1}}), producer.event("end", {"state": "completed"})]
    document = {"digest": 1, "events": events, "cut": 0}
    frames = b"".join(encode(document, TOKEN))
    return b"".join(b"2026-11-24T12:00:00.1Z " + line + b"\n" for line in frames.split(b"\n")[:-1]), hash_of(document)


def test_a_digest_alone_is_the_whole_run_where_its_hash_is_noted():
    log, written = _digest()
    api = FakeApi(pod=_noted(digest=written), job=_job(), log=log)
    given = [event["kind"] for events, _ in Following(api, HANDLE, {}).live() for event in events]
    assert given == ["result", "end"]
    assert observation(api, HANDLE).end is None


@pytest.mark.parametrize(
    ("facts", "state", "cause", "said"),
    [
        ({}, "failed", "Lost", "it completed, and what it gave is not known: the closing digest of its log is sha256:"),
        ({"state": "failed", "cause": "UserError", "message": "bad"}, "failed", "UserError", "bad (the closing digest"),
        ({"state": "aborted", "cause": "Aborted", "message": "asked"}, "aborted", "Aborted", "asked (the closing"),
    ],
)
def test_of_a_digest_with_another_hash_nothing_is_taken_and_the_end_is_as_it_is_noted(facts, state, cause, said):
    log, _ = _digest()
    api = FakeApi(pod=_noted(digest="sha256:another", **facts), job=_job(), log=log)
    assert [events for events, _ in Following(api, HANDLE, {}).live() if events] == []
    end = observation(api, HANDLE).end
    assert (end["state"], end["cause"]) == (state, cause)
    assert end["message"].startswith(said)
    assert "sha256:another" in end["message"]
