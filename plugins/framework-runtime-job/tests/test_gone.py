"""Why pods are gone that nobody has seen: the events are those of a real cluster's controllers, as they say it."""

from __future__ import annotations

import pytest

from framework_runtime_job import gone
from framework_runtime_job.api import Refused
from framework_runtime_job.map_observing import observation
from framework_runtime_job.names import INDEX
from framework_runtime_job.observing import observation as run_observation
from framework_runtime_job.pending import pending_end
from framework_runtime_job.places import Place

RUN = {"namespace": "n", "job": "train-1", "run": {"uid": "u", "attempt": 1}, "token": "t"}
MAP = {**RUN, "uids": ["u0", "u1", "u2", "u3"]}
KILLED = ("Killing", "Stopping container run")
MARKED = ("TaintManagerEviction", "Marking for deletion Pod n/p")


def _event(pod, reason, message, at="2026-11-29T09:01:04Z"):
    involved = {"kind": "Pod", "name": pod, "uid": f"uid-of-{pod}"}
    told = {"reason": reason, "message": message, "lastTimestamp": at, "source": {"host": "node1"}}
    return {"involvedObject": involved, "metadata": {}, **told}


class Cluster:
    """A cluster with events, one Job, and as many pods as are given."""

    def __init__(self, *events, job=None, pods=(), may=True, node=None):
        self._events, self._job, self._pods, self._may, self._node = events, job, list(pods), may, node

    def list(self, path, fieldSelector="", **_query):  # noqa: N803  the API's own name
        if not path.endswith("events"):
            return self._pods
        if not self._may:
            raise Refused(403, "Forbidden", "events are not for you")
        asked = dict(part.split("=") for part in fieldSelector.split(","))
        return [each for each in self._events if self._is_asked(each, asked)]

    def _is_asked(self, event, asked):
        flat = {f"involvedObject.{name}": value for name, value in event["involvedObject"].items()}
        flat["reason"] = event["reason"]
        return all(flat[name] == value for name, value in asked.items())

    def find(self, path):
        return self._node if path == "/api/v1/nodes/node1" else self._job


@pytest.mark.parametrize(
    ("said", "cause", "message"),
    [
        ([("Evicted", "The node was low on resource: memory. ")], "Evicted", "low on resource"),
        ([("Preempted", "Preempted by pod 8b92 on node node2")], "Preempted", "by pod 8b92"),
        ([("Preempting", "Preempted in order to admit critical pod")], "Preempted", "critical pod"),
        ([MARKED], "Preempted", "a taint that it does not tolerate"),
        ([("NodeNotReady", "Node is not ready"), MARKED], "Lost", "its node does not answer any more: Node is not"),
        ([MARKED, ("TaintManagerEviction", "Cancelling deletion of Pod n/p")], None, ""),
        ([("NodeNotReady", "Node is not ready")], None, ""),
        ([KILLED], "Lost", "deleted or evicted while it ran: its node node1 says Stopping container run"),
        ([("Killing", "Stopping container side")], None, ""),
        ([KILLED, ("Preempted", "Preempted by pod 8b92 on node node2")], "Preempted", "by pod 8b92"),
        ([], None, ""),
    ],
)
def test_what_events_tell(said, cause, message):
    events = [_event("train-1-0-zh2l5", *each, f"2026-11-29T09:01:0{at}Z") for at, each in enumerate(said)]
    api = Cluster(*reversed(events))
    pod = {"metadata": {"uid": "uid-of-train-1-0-zh2l5"}}
    for end in (gone.end_of(api, Place(MAP), pod), gone.ends_of(api, MAP).get(0)):
        assert (end and end["cause"]) == cause
        assert message in (end or {"message": ""})["message"]


def test_what_a_node_stops_that_is_closed_to_others_is_drained():
    api = Cluster(_event("train-1-0-zh2l5", *KILLED), node={"spec": {"unschedulable": True}})
    end = gone.ends_of(api, MAP)[0]
    assert (end["cause"], "node1 is being drained" in end["message"]) == ("Preempted", True)


def test_each_item_has_what_is_said_of_its_own_pod():
    others = [
        _event(name, "Evicted", "not ours") for name in ("train-1-x2z85", "train-12-2-zh2l5", "train-1-2-3-zh2l5")
    ]
    api = Cluster(_event("train-1-1-x2z85", "Evicted", "low"), _event("train-1-3-jh5r4", *MARKED), *others)
    assert {index: end["cause"] for index, end in gone.ends_of(api, MAP).items()} == {1: "Evicted", 3: "Preempted"}


def test_who_may_not_see_events_is_told_nothing():
    api = Cluster(_event("train-1-1-x2z85", "Evicted", "low"), may=False)
    assert gone.ends_of(api, MAP) == {}


def _failed(reason, message):
    conditions = [{"type": "Failed", "status": "True", "reason": reason, "message": message}]
    return {"metadata": {"uid": "j", "annotations": {}}, "status": {"conditions": conditions}}


def test_items_of_a_map_whose_pods_are_gone():
    state = {"containerStatuses": [{"name": "run", "state": {"terminated": {}}}]}
    there = {"metadata": {"labels": {INDEX: "0"}}, "status": state}
    api = Cluster(_event("train-1-1-x2z85", "Preempted", "by a pod"), job=_failed("FailedIndexes", ""), pods=[there])
    seen = observation(api, MAP)
    assert {uid: end["cause"] for uid, end in seen.ends.items()} == {"u1": "Preempted", "u2": "Lost", "u3": "Lost"}


@pytest.mark.parametrize(
    ("events", "cause", "message"),
    [
        ([("Evicted", "The node was low on resource: memory. ")], "Evicted", "low on resource"),
        ([], "Preempted", "DisruptionTarget"),
        ([KILLED], "Preempted", "DisruptionTarget"),  # of which the Job says more than the node
    ],
)
def test_a_run_whose_pod_is_gone(events, cause, message):
    job = _failed("PodFailurePolicy", "Pod n/train-1-x2z85 has condition DisruptionTarget matching FailJob rule")
    end = pending_end(Cluster(*(_event("train-1-x2z85", *each) for each in events), job=job), RUN, None)
    assert (end["cause"], message in end["message"]) == (cause, True)


def test_a_run_whose_pod_was_deleted_by_hand():
    job = _failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    end = pending_end(Cluster(_event("train-1-x2z85", *KILLED), job=job), RUN, None)
    assert (end["cause"], "deleted or evicted while it ran" in end["message"]) == ("Lost", True)
    assert "BackoffLimitExceeded" in pending_end(Cluster(job=job), RUN, None)["message"]


def test_a_run_that_completed_and_whose_pod_was_removed_before_anybody_looked_is_over():
    """As a node does that an autoscaler takes away: it went on for ever."""
    conditions = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
    job = {"metadata": {"uid": "j", "creationTimestamp": "t"}, "status": {"conditions": conditions}}
    seen = run_observation(Cluster(job=job), RUN)
    assert (seen.alive, seen.end["cause"]) == (False, "Lost")
    assert seen.end["message"] == "its Job is complete, and its pod is gone with what it had to say"
