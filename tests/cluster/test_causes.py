"""Why a run on the cluster has failed: each cause for real, with its evidence."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from framework.errors import BackendError
from framework.models.function import Volume

SLEEP = "import time\ndef main():\n print('ready')\n time.sleep(120)"


def test_an_image_that_is_not_there(start):
    def change(spec):
        spec.environment.image = "127.0.0.1:5000/nowhere/nothing:1"

    ran = start("def main(): pass", change).finish()
    assert (ran.state, ran.cause) == ("failed", "ImagePull"), ran
    assert "nowhere/nothing:1" in ran.status["message"]
    assert ran.status["advice"]


def test_a_secret_that_is_not_there_is_named(start):
    def change(spec):
        spec.environment.secrets = {"TOKEN": "kubernetes:no-such-secret/token"}

    ran = start("def main(): pass", change).finish()
    assert (ran.state, ran.cause) == ("failed", "BadInput"), ran
    assert "no-such-secret" in ran.status["message"]


def test_a_secret_that_is_there_is_a_variable_and_masked(start, kubectl):
    kubectl("create", "secret", "generic", "framework-test", "--from-literal=token=s3cr3t-value")
    try:

        def change(spec):
            spec.environment.secrets = {"TOKEN": "kubernetes:framework-test/token"}

        reference = {"store": "kubernetes", "key": "framework-test/token", "target": "", "options": {}}
        code = "import os\ndef main():\n print(os.environ['TOKEN'])\n return len(os.environ['TOKEN'])"
        ran = start(code, change, secrets={"TOKEN": reference}).finish()
    finally:
        kubectl("delete", "secret", "framework-test")
    assert ran.results == {"return": 12}, ran
    assert b"s3cr3t-value" not in ran.log()


def test_what_fits_nowhere_says_so_at_its_limit(start):
    ran = start(
        "def main(): pass",
        lambda spec: spec.resources.requests.update({"nvidia.com/gpu": 1}),
        timeouts={"pending": 4, "grace": 1},
    ).finish()
    assert (ran.state, ran.cause) == ("failed", "Unschedulable"), ran
    assert "nvidia.com/gpu" in ran.status["message"]


def test_a_program_that_the_image_lacks(start):
    ran = start("def main(): pass", lambda spec: spec.options.update({"python": "python9"})).finish()
    assert (ran.state, ran.cause) == ("failed", "BadInput"), ran
    assert "python9" in ran.status["message"]


def test_a_quota_of_zero(start, kubectl, team):
    kubectl("create", "quota", "zero", "--hard=pods=0", "-n", team)
    deadline = time.monotonic() + 30
    while not kubectl("get", "quota", "zero", "-n", team, "-o", "json").get("status", {}).get("hard"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    ran = start("def main(): pass", lambda spec: spec.options.update({"namespace": team})).finish()
    assert (ran.state, ran.cause) == ("failed", "Unschedulable"), ran
    assert "exceeded quota: zero" in ran.status["message"]


def test_a_pod_that_is_not_admitted(start, kubectl, team):
    kubectl("label", "namespace", team, "pod-security.kubernetes.io/enforce=restricted")

    def change(spec):
        spec.options["namespace"] = team
        spec.placement.security_context = {"privileged": True}

    ran = start("def main(): pass", change).finish()
    assert (ran.state, ran.cause) == ("failed", "BadInput"), ran
    assert "privileged" in ran.status["message"]


def test_too_much_memory(start):
    code = "def main():\n print('begun')\n blocks = []\n while True: blocks.append(bytearray(1 << 20))"
    ran = start(code, lambda spec: spec.resources.limits.update({"memory": "96Mi"})).finish()
    assert (ran.state, ran.cause) == ("failed", "OutOfMemory"), ran
    assert ran.log() == b"begun\n"


def test_a_pod_that_somebody_deletes(start, kubectl, pod_of):
    live = start(SLEEP)
    live.printed("ready")
    kubectl("delete", "pod", pod_of(live)["metadata"]["name"], "--wait=false")
    ran = live.finish()
    assert (ran.state, ran.cause) == ("aborted", "Aborted"), ran
    assert "not by the framework" in ran.status["message"]


def test_a_pod_that_is_evicted(start, fault, pod_of):
    live = start(SLEEP)
    live.printed("ready")
    fault("evict", pod_of(live)["metadata"]["name"])
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Evicted"), ran
    assert ran.log() == b"ready\n"


def test_a_pod_s_own_deadline(start):
    ran = start(SLEEP, lambda spec: spec.options.update({"deadline": 3}), timeouts={"run": None, "grace": 1}).finish()
    assert (ran.state, ran.cause) == ("failed", "Timeout"), ran


def test_a_job_that_is_suspended_waits_and_runs_when_it_may(start, kubectl):
    live = start("def main(): return 1", lambda spec: spec.options.update({"suspend": True}))
    assert live.runtime.observe(live.handle).alive is True
    assert kubectl("get", "pods", "-l", f"framework/run={live.submission.uid}", "-o", "json")["items"] == []
    kubectl("patch", "job", live.handle["job"], "-p", json.dumps({"spec": {"suspend": False}}))
    assert live.finish().results == {"return": 1}


def test_a_patch_with_a_field_that_the_cluster_does_not_know_is_refused(start, kubectl):
    """And not left out, as the cluster would by itself; nothing stays behind."""
    patch = {"spec": {"template": {"spec": {"hostNetwrok": True}}}}
    with pytest.raises(BackendError, match=r'unknown field "spec\.template\.spec\.hostNetwrok"'):
        start(
            "def main(): pass", lambda spec: spec.options.update(patch=patch, labels={"framework.test/of": "refused"})
        )
    left = kubectl("get", "jobs,secrets", "-l", "framework.test/of=no", "-o", "json")["items"]
    assert left == []


def test_a_run_that_nobody_looks_at_is_ended_by_the_cluster(start, kubectl):
    """It has begun too late for both of its limits: here, because its Job was made as if it had."""

    def change(spec):
        spec.resources.requests["framework.test/none"] = 1
        spec.options["patch"] = {"spec": {"activeDeadlineSeconds": 2}}

    live = start("def main(): pass", change, timeouts={"pending": 600, "run": 600, "grace": 1})
    deadline = time.monotonic() + 60
    while not kubectl("get", "job", live.handle["job"], "-o", "json")["status"].get("conditions"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Timeout"), ran


def test_a_pod_whose_place_a_more_important_one_takes(start, slot, urgent):
    live = start(SLEEP, lambda spec: spec.resources.requests.update({slot: 1}))
    live.printed("ready")
    urgent()
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Preempted"), ran
    assert ran.log() == b"ready\n"


def test_a_pod_whose_place_was_taken_while_nobody_looked(start, kubectl, slot, urgent, until):
    live = start(SLEEP, lambda spec: spec.resources.requests.update({slot: 1}), detached=True)
    of_run = ("-l", f"framework/run={live.submission.uid}", "-o", "json")
    until(lambda: kubectl("get", "jobs", *of_run)["items"][0]["status"].get("ready"))
    urgent()
    until(lambda: kubectl("get", "jobs", *of_run)["items"][0]["status"].get("failed"))
    until(lambda: not kubectl("get", "pods", *of_run)["items"])  # which would say it itself, in other words
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Preempted"), ran
    assert ran.status["message"].startswith("Preempted by pod "), ran


@pytest.mark.alone
def test_a_pod_whose_node_is_drained(start, kubectl, pod_of):
    live = start(SLEEP)
    live.printed("ready")
    node = pod_of(live)["spec"]["nodeName"]
    selector = f"--pod-selector=framework/run={live.submission.uid}"
    drain = ["kubectl", "drain", node, selector, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"]
    with subprocess.Popen(drain, stdout=subprocess.DEVNULL) as draining:
        try:
            ran = live.finish()
            assert draining.wait(60) == 0
        finally:
            kubectl("uncordon", node)
    assert (ran.state, ran.cause) == ("failed", "Preempted"), ran
    assert f"its node {node} is being drained" in ran.status["message"]


@pytest.mark.slow
def test_a_pod_that_fills_its_node_s_disk(start):
    code = (
        "import time\ndef main():\n open('/framework/work/big', 'wb').write(bytes(20 << 20))\n"
        " print('written')\n time.sleep(120)"
    )
    live = start(code, lambda spec: spec.resources.limits.update({"ephemeral-storage": "4Mi"}))
    live._deadline = time.monotonic() + 100
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Evicted"), ran
    assert "4Mi" in ran.status["message"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "said"), [("pvc", "persistentvolumeclaim"), ("secret", "secret")])
def test_a_volume_whose_source_is_not_there(start, kind, said):
    volume = Volume(name="data", mount="/data", type=kind, source="no-such-source")
    live = start("def main(): pass", lambda spec: spec.storage.volumes.append(volume))
    live._deadline = time.monotonic() + 100
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "BadInput"), ran
    assert f'{said} "no-such-source" not found' in ran.status["message"]
