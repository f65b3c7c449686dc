"""Whoever follows is told why pods wait, once a cause; `tests/cluster/test_waits.py` has it on a real cluster."""

from __future__ import annotations

import pytest

from framework_runtime_job.api import Refused
from framework_runtime_job.waits import Waits

RUN = {"namespace": "n", "job": "j", "run": {"uid": "u"}}
MAP = {**RUN, "uids": ["u0", "u1", "u2"]}
QUOTA = {"message": "exceeded quota: q", "lastTimestamp": "1", "metadata": {}}


class Cluster:
    """Its time stamps are ages."""

    def __init__(self, events=(), active=0):
        self.events = list(events)
        self.job = {"metadata": {"uid": "x"}, "spec": {"parallelism": 2}, "status": {"active": active}}
        self.refusal = None

    def age(self, stamp):
        return float(stamp)

    def find(self, _path):
        return self.job

    def list(self, _path, **_query):
        if self.refusal:
            raise self.refusal
        return self.events


def _pulls(age, reason="ErrImagePull", message="no such host"):
    state = {"waiting": {"reason": reason, "message": message}}
    status = {"containerStatuses": [{"name": "run", "state": state}]}
    return {"metadata": {"creationTimestamp": str(age)}, "status": status}


def _unschedulable(age):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}
    return {"metadata": {"creationTimestamp": str(age)}, "status": {"conditions": [condition]}}


@pytest.fixture
def at_once(monkeypatch):
    """It is asked for pods that are missing at every look."""
    monkeypatch.setattr("framework_runtime_job.waits._ASK", -1.0)
    monkeypatch.setattr("framework_runtime_job.waits._PATIENT", -1.0)


def test_many_pods_of_a_map_are_one_line_a_cause(caplog):
    waits = Waits(Cluster(), MAP)
    many = [_pulls(9) for _ in range(500)] + [_pulls(9, "ImagePullBackOff", "Back-off") for _ in range(500)]
    for _ in range(3):
        waits.tell([*many, _unschedulable(9)], missing=False)
    waits.tell([_pulls(9)], missing=False)
    assert caplog.messages == [
        "1000 pods of j wait: ErrImagePull: no such host",
        "1 pod of j waits: Unschedulable: no room",
    ]


def test_a_pod_that_has_just_been_made_may_wait(caplog):
    Waits(Cluster(), MAP).tell([_pulls(4), _unschedulable(4)], missing=False)
    assert caplog.messages == []


@pytest.mark.parametrize("handle", [RUN, MAP])
def test_pods_that_cannot_be_made(handle, at_once, caplog):
    waits = Waits(Cluster([QUOTA]), handle)
    for _ in range(3):
        waits.tell([], missing=True)
    assert caplog.messages == ["j waits: no pod can be made: exceeded quota: q"]


@pytest.mark.parametrize(
    ("cluster", "missing"),
    [
        (Cluster([QUOTA], active=2), True),  # as many as there are to be at once
        (Cluster([QUOTA]), False),
        (Cluster([{**QUOTA, "lastTimestamp": "3000"}]), True),  # of another day
        (Cluster(), True),
    ],
)
def test_what_is_no_reason_to_wait(cluster, missing, at_once, caplog):
    Waits(cluster, MAP).tell([], missing=missing)
    assert caplog.messages == []


def test_who_may_not_see_events_is_told_nothing(at_once, caplog):
    cluster = Cluster([QUOTA])
    cluster.refusal = Refused(403, "Forbidden", "no")
    Waits(cluster, RUN).tell([], missing=True)
    assert caplog.messages == []


@pytest.mark.parametrize("handle", [RUN, MAP])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_what_is_to_be_sent_from_another_machine_is_said(handle, where, tmp_path, caplog):
    parcel = tmp_path / "parcel.tar"
    if where == "here":
        parcel.touch()
    status = {"initContainerStatuses": [{"name": "receive", "state": {"running": {}}}]}
    pod = {"metadata": {"creationTimestamp": "9"}, "status": status}
    Waits(Cluster(), {**handle, "parcel": "sha256:1"}, parcel).tell([pod], missing=False)
    assert ["the machine that started it" in each for each in caplog.messages] == ([] if where == "here" else [True])


@pytest.mark.parametrize(
    ("age", "said_at", "told"),
    [(99, 1, ["2 pods of j wait: FailedMount: no such volume"]), (99, 99, []), (3, 1, [])],
)
def test_what_keeps_a_pod_from_being_made_is_said_while_it_does(age, said_at, told, monkeypatch, caplog):
    waits = Waits(Cluster([{"reason": "FailedMount", "message": "no such volume", "lastTimestamp": str(said_at)}]), MAP)
    monkeypatch.setattr(waits, "_asked_at", -99.0)
    pod = _pulls(age, "ContainerCreating", "")
    pod["metadata"]["uid"] = "x"
    waits.tell([pod, pod], missing=False)
    assert caplog.messages == told
