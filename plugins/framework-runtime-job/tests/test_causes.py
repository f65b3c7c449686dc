"""From what Kubernetes says to a cause: the words are those of a real cluster's API."""

from __future__ import annotations

import json

import pytest

from framework_runtime_job import causes
from framework_runtime_job.pending import why

READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "spec": {}}
GONE = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}, "spec": {}}
DRAINED = {**READY, "spec": {"unschedulable": True}}


def _disrupted(disruption, **status):
    condition = {"type": "DisruptionTarget", "status": "True", "reason": disruption, "message": "said"}
    return {"spec": {"nodeName": "node7"}, "status": {"conditions": [condition], **status}}


@pytest.mark.parametrize(
    ("pod", "node", "cause"),
    [
        (_disrupted("PreemptionByScheduler"), READY, "Preempted"),
        (_disrupted("EvictionByEvictionAPI"), READY, "Evicted"),
        (_disrupted("EvictionByEvictionAPI"), None, "Evicted"),
        (_disrupted("EvictionByEvictionAPI"), DRAINED, "Preempted"),
        (_disrupted("DeletionByTaintManager"), READY, "Preempted"),
        (_disrupted("DeletionByTaintManager"), GONE, "Lost"),
        (_disrupted("DeletionByPodGC"), None, "Lost"),
        (_disrupted("TerminationByKubelet", reason="Evicted", phase="Failed"), READY, "Evicted"),
        (_disrupted("TerminationByKubelet", reason="Preempting"), READY, "Preempted"),
        ({"status": {"reason": "Evicted", "message": "The node was low on resource: memory."}}, READY, "Evicted"),
        ({"status": {"reason": "DeadlineExceeded", "message": "Pod was active"}}, READY, "Timeout"),
        ({"status": {"reason": "NodeLost"}}, None, "Lost"),
    ],
)
def test_who_took_the_pod_away(pod, node, cause):
    end = causes.disruption(pod, node)
    assert end["cause"] == cause
    assert end["message"]
    assert end["advice"]


def test_a_node_that_is_short_of_memory_says_so_in_its_own_words():
    """The status of a pod as a kubelet of Kubernetes 1.36 leaves it; the container's own end is not the cause."""
    said = "The node was low on resource: memory. Threshold quantity: 25072016543, available: 15208912Ki. "
    gone = {"reason": "ContainerStatusUnknown", "exitCode": 137, "message": "The container could not be located"}
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": said}
    status = {
        "phase": "Failed",
        "reason": "Evicted",
        "message": said,
        "conditions": [condition],
        "containerStatuses": [{"name": "run", "state": {"terminated": gone}}],
    }
    end = causes.disruption({"spec": {"nodeName": "node7"}, "status": status}, READY)
    assert (end["cause"], end["message"]) == ("Evicted", said.strip())
    assert "requests" in end["advice"]


def test_a_pod_that_nobody_took_away_says_nothing():
    assert causes.disruption({"status": {"phase": "Running"}}, READY) is None


def _ended(**ended):
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    status = {"containerStatuses": [{"name": "run", "state": {"terminated": ended}}]}
    return {"spec": {"containers": [{"name": "run", **limits}]}, "status": status}


@pytest.mark.parametrize(
    ("ended", "said", "cause", "evidence"),
    [
        ({"reason": "OOMKilled", "exitCode": 137}, "", "OutOfMemory", "64Mi"),
        ({"reason": "Error", "exitCode": 137}, "", "Lost", "SIGKILL"),
        ({"reason": "Completed", "exitCode": 0}, "", "Lost", "exit code 0"),
        ({"reason": "StartError", "exitCode": 128, "message": 'exec: "python3": not found'}, "", "BadInput", "python3"),
        ({"reason": "Error", "exitCode": 1}, "Python 3.8 is too old: a run needs 3.10 or newer", "BadInput", "3.8"),
        ({"reason": "Error", "exitCode": 2}, "no readable submission: X", "BackendError", "no readable submission"),
        (
            {"reason": "Error", "exitCode": 1, "message": "#fw1 a b\nSyntaxError: invalid"},
            "",
            "BackendError",
            "SyntaxError",
        ),
    ],
)
def test_how_a_container_without_a_final_record_ended(ended, said, cause, evidence):
    end = causes.of_ended(_ended(**ended), said)
    assert end["cause"] == cause
    assert evidence in end["message"]
    assert len(end["message"].splitlines()) == 1


def test_a_quota_that_never_fits_ends_it_and_one_that_is_used_up_does_not():
    text = "pods x is forbidden: exceeded quota: {name}, requested: {asked}, used: {used}, limited: {most}"
    never = causes.refused_pod(text.format(name="zero", asked="pods=1", used="pods=0", most="pods=0"))
    assert never["cause"] == "Unschedulable"
    assert "exceeded quota: zero" in never["message"]
    large = causes.refused_pod(
        text.format(name="m", asked="requests.memory=2Gi", used="0", most="requests.memory=512Mi")
    )
    assert large["cause"] == "Unschedulable"
    used = causes.refused_pod(text.format(name="some", asked="pods=1", used="pods=5", most="pods=5"))
    assert used is None


def test_a_pod_that_is_not_admitted_is_bad_input_in_the_cluster_s_words():
    end = causes.refused_pod('Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest"')
    assert end["cause"] == "BadInput"
    assert "PodSecurity" in end["message"]


@pytest.mark.parametrize(
    "said",
    [
        'Operation cannot be fulfilled on resourcequotas "some": the object has been modified',
        'Internal error occurred: failed calling webhook "w": Post "https://w": dial tcp: connect: connection refused',
        "etcdserver: request timed out",
        "Timeout: request did not complete within requested timeout",
        'pods "x" is forbidden: error looking up service account team/runner: serviceaccount "runner" not found',
    ],
)
def test_a_refusal_that_passes_ends_nothing(said):
    assert causes.refused_pod(f"Error creating: {said}") is None


@pytest.mark.parametrize(
    "said",
    [
        'admission webhook "policy" denied the request: no latest tags',
        'pods "x" is forbidden: failed quota: some: must specify limits.cpu for: run',
        'Pod "x" is invalid: spec.containers[0].resources: Invalid value',
        'pods "x" is forbidden: no PriorityClass with name high was found',
    ],
)
def test_one_that_does_not_pass_does(said):
    assert causes.refused_pod(f"Error creating: {said}")["cause"] == "BadInput"


def test_the_runner_s_note_is_the_end_where_its_log_is_gone():
    note = {"state": "failed", "cause": "UserError", "message": "ValueError: bad depth", "exit_code": 1, "events": 9}
    end = causes.of_ended(_ended(reason="Error", exitCode=1, message=json.dumps(note)), "")
    assert (end["state"], end["cause"], end["exit_code"]) == ("failed", "UserError", 1)
    assert end["message"] == "ValueError: bad depth (its log was gone before anybody had read it)"
    done = {"state": "completed", "cause": None, "message": "", "exit_code": 0, "events": 9}
    end = causes.of_ended(_ended(reason="Completed", exitCode=0, message=json.dumps(done)), "")
    assert (end["state"], end["cause"]) == ("failed", "Lost")
    assert end["message"].endswith("what it gave is not known: its log was gone before anybody had read it")


def test_a_container_that_goes_before_and_fails_is_the_evidence():
    ended = {"reason": "Error", "exitCode": 1, "message": "Traceback\nOSError: No space left on device\n"}
    before = {"name": "receive", "state": {"terminated": ended}}
    waiting = {"name": "run", "state": {"waiting": {"reason": "PodInitializing"}}}
    end = causes.of_ended({"status": {"initContainerStatuses": [before], "containerStatuses": [waiting]}}, "")
    assert end["cause"] == "BackendError"
    assert "the container receive, which goes before: OSError: No space left on device" in end["message"]


@pytest.mark.parametrize(
    ("reason", "message", "final"),
    [
        ("ErrImagePull", 'rpc error: code = NotFound desc = failed to pull "nowhere/x:1": not found', True),
        ("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: pull access denied', True),
        ("InvalidImageName", "couldn't parse image name", True),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never", True),
        ("ErrImagePull", "dial tcp: i/o timeout", False),
        ("ErrImagePull", "received unexpected HTTP status: 503 Service Unavailable", False),
    ],
)
def test_whether_another_pull_may_help(reason, message, final):
    assert causes.is_final_pull(reason, message) is final


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("500m", 0.5), ("2Gi", 2 * 2**30), ("1.5G", 1.5e9), ("1e3", 1000), ("10k", 10_000), ("junk", 0)],
)
def test_quantities(text, number):
    assert causes.quantity(text) == pytest.approx(number)


def test_why_a_pod_waits():
    container = {"name": "run", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
    assert why({"status": {"containerStatuses": [container]}})["reason"] == "ImagePullBackOff"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert why({"status": {"conditions": [condition]}})["message"] == "0/1 nodes"
    assert why({"status": {}}) == {}


def test_a_failed_job_without_its_pod():
    def job(kind, reason, message):
        return {"status": {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": message}]}}

    taken = causes.of_job(job("Failed", "PodFailurePolicy", "Pod a/b has condition DisruptionTarget matching FailJob"))
    assert taken["cause"] == "Preempted"
    assert causes.of_job(job("Failed", "DeadlineExceeded", "Job was active longer"))["cause"] == "Timeout"
    assert causes.of_job(job("Failed", "BackoffLimitExceeded", "reached"))["cause"] == "Lost"
    assert causes.of_job(job("Complete", "", "")) is None
