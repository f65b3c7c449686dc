"""What the provider ``operator`` would create, and what it makes of what pods say: all offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.errors import UsageError
from framework.models import Function, FunctionMetadata
from framework.models.function import Volume
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_runtime_dask.kube import manifests, names
from framework_runtime_dask.kube.trouble import trouble
from framework_runtime_dask.options import Adaptive, DaskOptions, SchedulerPod, Security
from framework_runtime_dask.runtime import DaskRuntime

IMAGE = DaskOptions(image="with/dask:1")
GOLDEN = Path(__file__).parent / "golden" / "operator.json"


def function(**scale):
    made = Function(kind="dask", metadata=FunctionMetadata(name="train", project="team"))
    for name, number in scale.items():
        setattr(made.spec.scale, name, number)
    return made


def one(made, options, namespace="here"):
    (cluster,) = manifests.manifests(made, options, namespace)
    return cluster


def container(cluster, part):
    return cluster["spec"][part]["spec"]["containers"][0]


def test_everything_has_its_place():
    made = function(replicas=3)
    spec = made.spec
    spec.environment.image = "own/image:1"
    spec.resources.requests, spec.resources.limits = {"cpu": "1", "gpu": 1}, {"memory": "4Gi"}
    spec.placement.node_selector, spec.placement.service_account = {"zone": "a"}, "runner"
    spec.placement.image_pull_secrets = ["registry"]
    spec.placement.security_context = {"runAsUser": 1000, "privileged": False}
    spec.placement.image_pull_policy = "Always"
    spec.storage.volumes = [Volume(name="data", mount="/data"), Volume(name="data", mount="/more", sub_path="x")]
    options = DaskOptions(
        threads=2,
        memory="3GiB",
        resources={"GPU": 1},
        env={"KEY": "$(HOME)"},
        idle_timeout="90s",
        death_timeout="2m",
        scheduler=SchedulerPod(requests={"cpu": "100m"}, limits={"memory": "1Gi"}),
        service="NodePort",
        adaptive=Adaptive(target_duration="9s"),
    )
    cluster = one(made, options)
    assert cluster["metadata"]["name"] == "team-train"
    assert cluster["metadata"]["namespace"] == "here"
    assert (
        cluster["metadata"]["labels"].items()
        >= {
            names.MANAGED: "framework",
            names.PROJECT: "team",
            names.FUNCTION: "train",
        }.items()
    )
    assert cluster["spec"]["idleTimeout"] == 90
    assert cluster["spec"]["worker"]["replicas"] == 3
    assert cluster["spec"]["scheduler"]["service"]["type"] == "NodePort"
    worker, scheduler = container(cluster, "worker"), container(cluster, "scheduler")
    words = " ".join(worker["args"])
    for part in ("--nthreads 2", f"--memory-limit {3 << 30}", "--death-timeout 120", "--resources GPU=1"):
        assert part in words
    assert worker["image"] == scheduler["image"] == "own/image:1"
    assert worker["resources"]["requests"] == {"cpu": "1", "nvidia.com/gpu": "1"}
    assert worker["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert scheduler["resources"] == {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}
    assert {"name": "KEY", "value": "$$(HOME)"} in worker["env"]
    assert {"name": "DASK_DISTRIBUTED__ADAPTIVE__TARGET_DURATION", "value": "9s"} in scheduler["env"]
    assert [mount["mountPath"] for mount in worker["volumeMounts"]] == ["/data", "/more"]
    assert "volumeMounts" not in scheduler
    pod = cluster["spec"]["worker"]["spec"]
    assert pod["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    for each in (pod, cluster["spec"]["scheduler"]["spec"]):
        assert each["serviceAccountName"] == "runner"
        assert each["nodeSelector"] == {"kubernetes.io/os": "linux", "zone": "a"}
        assert each["imagePullSecrets"] == [{"name": "registry"}]
        assert each["securityContext"] == {"runAsUser": 1000}
        assert each["containers"][0]["securityContext"] == {"privileged": False}
        assert each["containers"][0]["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("memory", "limits", "kept"),
    [("", {}, "auto"), ("", {"memory": "300Mi"}, str(300 << 20)), ("1GiB", {"memory": "4Gi"}, str(1 << 30))],
)
def test_a_worker_keeps_to_the_whole_limit_of_its_pod(memory, limits, kept):
    made = function()
    made.spec.resources.limits = limits
    words = container(one(made, DaskOptions(image="with/dask:1", memory=memory)), "worker")["args"]
    assert words[words.index("--memory-limit") + 1] == kept


def _everything():
    made = function(min_replicas=1, max_replicas=4)
    spec = made.spec
    spec.environment.secrets = {"TOKEN": "kubernetes:keys/token", "OTHER": "env:OTHER"}
    spec.resources.requests, spec.resources.limits = {"cpu": "1", "gpu": 1}, {"memory": "4Gi"}
    place = spec.placement
    place.node_selector, place.tolerations = {"kubernetes.io/arch": "arm64"}, [{"key": "gpu", "operator": "Exists"}]
    place.priority_class, place.service_account, place.image_pull_policy = "high", "trainer", "Always"
    place.image_pull_secrets, place.preemption = ["registry"], "constrain"
    place.security_context = {"runAsUser": 1000, "readOnlyRootFilesystem": True}
    spec.storage.volumes = [
        Volume(name="data", mount="/data", source="claim", read_only=True, sub_path="a"),
        Volume(name="data", mount="/more", source="claim"),
        Volume(name="keys", mount="/keys", type="secret"),
    ]
    sidecar = {"name": "proxy", "image": "proxy:1"}
    return made, attrs.evolve(
        IMAGE,
        env={"COLOUR": "blue $(NOT_OURS)"},
        env_from=[{"configMapRef": {"name": "common"}}],
        spot_labels={"spot": "true"},
        spot_tolerations=[{"key": "spot", "operator": "Exists"}],
        security=Security(ca_file="ca", cert="cert", key="key", secret="certificates"),
        patch={
            "metadata": {"labels": {"team": "a"}},
            "spec": {"worker": {"spec": {"containers": [sidecar]}}, "scheduler": {"spec": {"hostNetwork": True}}},
        },
    )


def test_golden(monkeypatch):
    monkeypatch.setattr(names, "_user", lambda: "me")
    found = json.dumps(manifests.manifests(*_everything(), "default"), indent=1, sort_keys=True) + "\n"
    if os.environ.get("FRAMEWORK_TEST_GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text("utf-8")


def test_a_scheduler_that_is_slow_to_start_is_not_ended_for_that():
    """On a busy node its imports took longer than three looks at whether it lives, again and again."""
    found = container(one(function(), IMAGE), "scheduler")
    startup = found["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300
    assert startup["httpGet"] == found["livenessProbe"]["httpGet"]
    assert "initialDelaySeconds" not in found["livenessProbe"], "that begins when the other one has ended"


@pytest.mark.cluster
@pytest.mark.xdist_group("dask-operator")
def test_what_is_golden_is_valid_to_the_api_server():
    """The pods as well: of them the DaskCluster's own schema says everything."""
    if subprocess.run(["kubectl", "get", "daskclusters"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the Dask operator is not installed: testbed operators dask")
    items = json.loads(GOLDEN.read_text("utf-8"))
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    words = ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = subprocess.run(words, input=listed, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match=r"spec\.options\.patch\[0\] does not fit"):
        one(function(), attrs.evolve(IMAGE, patch=[{"op": "remove", "path": "/spec/nothing"}]))


def test_a_patch_and_secrets_make_another_cluster():
    before = one(function(), IMAGE)
    patch = {"spec": {"worker": {"spec": {"hostNetwork": True}}}}
    assert manifests.differences(one(function(), attrs.evolve(IMAGE, patch=patch)), before) == [
        ".spec.worker.spec.hostNetwork"
    ]
    made = function()
    made.spec.environment.secrets = {"TOKEN": "kubernetes:keys/token"}
    assert manifests.differences(one(made, IMAGE), before) == [".spec.worker.spec.containers[0].env"]


def test_a_range_of_workers_is_an_autoscaler():
    cluster, scaler = manifests.manifests(function(min_replicas=1, max_replicas=4), IMAGE, "")
    assert scaler["kind"] == "DaskAutoscaler"
    assert scaler["spec"] == {"cluster": "team-train", "minimum": 1, "maximum": 4}
    assert cluster["spec"]["worker"]["replicas"] == 1
    assert "namespace" not in cluster["metadata"]
    assert one(function(), IMAGE)["spec"]["worker"]["replicas"] == 1


def test_an_image_is_needed():
    with pytest.raises(UsageError, match=r"spec\.environment\.image is empty") as caught:
        one(function(), DaskOptions())
    assert "with dask 20" in caught.value.advice


def test_certificates_come_from_a_secret():
    security = Security(ca_file="ca", cert="cert", key="key", secret="certificates")
    cluster = one(function(), attrs.evolve(IMAGE, security=security))
    for part in ("scheduler", "worker"):
        assert "--tls-ca-file /framework/tls/ca.crt" in " ".join(container(cluster, part)["args"])
        assert {"name": "framework-tls", "secret": {"secretName": "certificates"}} in cluster["spec"][part]["spec"][
            "volumes"
        ]
    assert {
        "name": "DASK_SCHEDULER_ADDRESS",
        "value": "tls://team-train-scheduler.here.svc:8786",
    } in container(cluster, "worker")["env"]


def test_another_number_of_workers_is_no_other_cluster():
    before = one(function(replicas=1), IMAGE)
    assert manifests.differences(one(function(replicas=1), IMAGE), before) == []
    assert manifests.differences(one(function(replicas=3), IMAGE), before) == []
    threads = manifests.differences(one(function(replicas=1), attrs.evolve(IMAGE, threads=2)), before)
    assert threads == [".spec.worker.spec.containers[0].args[5]"]
    foreign = {"metadata": {"name": "team-train"}}
    assert manifests.differences(before, foreign) == [".spec"]


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_any_name_becomes_one_that_kubernetes_takes_and_two_stay_two(first, second):
    made = names.resource_name(first), names.resource_name(second)
    for name in made:
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
        assert len(name) <= 40
    assert (made[0] == made[1]) == (first == second)


def _memory(function, memory, limit):
    function.spec.options.update(memory=memory)
    function.spec.resources.limits.update(memory=limit)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: setattr(made.spec.placement, "preemption", "prevent"), "spot_labels of this cluster are not set"),
        (lambda made: made.spec.environment.secrets.update(TOKEN="kubernetes:keys"), "names no key"),
        (lambda made: made.spec.storage.volumes.append(Volume(name="data", mount="data")), "no path in a pod"),
        (lambda made: setattr(made.spec.scale, "replicas", 0), "spec.scale.replicas is 0"),
        (lambda made: made.spec.options.update(memory="1MB"), "needs 128MiB"),
        (lambda made: made.spec.resources.limits.update(memory="64Mi"), r"spec\.resources\.limits\.memory is '64Mi'"),
        (lambda made: _memory(made, "1GiB", limit="1000Mi"), r"options\.memory is '1GiB'.*limits\.memory '1000Mi'"),
        (lambda made: made.spec.options.update(security={"secret": "it"}), "no certificate of its own"),
        (lambda made: made.spec.options.update(service="Ingress"), "service"),
    ],
)
def test_what_does_not_fit_is_refused_offline(tmp_path, change, said):
    made = function()
    made.spec.options.update(provider="operator", image="with/dask:1")
    change(made)
    with pytest.raises(UsageError, match=said):
        DaskRuntime(RuntimeContext(home=str(tmp_path))).validate(made)


def test_it_is_rendered_without_a_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    runtime = DaskRuntime(RuntimeContext(home=str(tmp_path), settings={"provider": "operator", "image": "with/dask:1"}))
    rendered = runtime.render(submission("dask", "def main(): pass"))
    assert [each["kind"] for each in rendered["cluster"]] == ["DaskCluster"]
    json.dumps(rendered)
    (found,) = runtime.preflight(function())
    assert not found.ok
    assert "no Kubernetes cluster is configured" in found.message


def pod(age=1.0, restarts=0, ready=False, last=None, **waiting):
    created = (datetime.now(timezone.utc) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {
        "name": "worker",
        "restartCount": restarts,
        "state": {"waiting": waiting} if waiting else {},
        "lastState": {"terminated": last} if last else {},
    }
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": "it", "creationTimestamp": created},
        "status": {"containerStatuses": [status], "conditions": conditions},
    }


PULL = "failed to pull and unpack image: "


@pytest.mark.parametrize(
    ("found", "cause", "said"),
    [
        (partial(pod, reason="ContainerCreating"), None, ""),
        (partial(pod, reason="ErrImagePull", message=PULL + "not found"), None, ""),
        (partial(pod, reason="ImagePullBackOff", message=PULL + "not found"), "ImagePull", "not found"),
        (partial(pod, reason="ImagePullBackOff", message=PULL + "timeout"), None, ""),
        (partial(pod, 700, reason="ImagePullBackOff", message=PULL + "timeout"), "ImagePull", "timeout"),
        (
            partial(pod, 20, reason="CreateContainerConfigError", message='secret "x" not found'),
            "BadInput",
            '"x" not found',
        ),
        (partial(pod, restarts=1, last={"exitCode": 1, "reason": "Error"}), None, ""),
        (partial(pod, restarts=2, last={"exitCode": 127, "message": "no dask"}), "BadInput", "exit code 127: no dask"),
        (partial(pod, restarts=2, last={"exitCode": 137, "reason": "OOMKilled"}), "OutOfMemory", "for want of memory"),
        (partial(pod, restarts=5, ready=True, last={"exitCode": 1}), None, ""),
    ],
)
def test_what_pods_say_is_a_cause(found, cause, said):
    end = trouble([pod(ready=True), found()], 60)
    assert (end or {}).get("cause") == cause
    assert said in (end or {"message": ""})["message"]


def test_a_pod_that_no_node_takes_is_waited_for_for_a_while():
    for age, cause in ((10, None), (100, "Unschedulable")):
        found = pod(age)
        found["status"] = {
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu"}]
        }
        assert (trouble([found], 60) or {}).get("cause") == cause
