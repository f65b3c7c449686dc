"""What a function would meet at a cluster: with a cluster that only answers, and on a real one."""

from __future__ import annotations

import json
import sys

import pytest

from framework.models import Function
from framework.models.function import Volume
from framework.plugins.manager import Plugins
from framework.runtimes import RuntimeContext
from framework_runtime_job import probing
from framework_runtime_job.api import Refused, Unreachable
from framework_runtime_job.preflight import examine
from framework_runtime_job.settings import JobSettings

BASE = "/api/v1/namespaces/default"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


class Log:
    def __init__(self, text):
        self.data = text.encode()


class Cluster:
    """Answers from a table; what is in no table is not there."""

    namespace = "default"
    server = "https://cluster.example"
    configuration = object()

    def __init__(self):
        self.objects = {"/version": {"gitVersion": "v1.36.0"}, "/api/v1/namespaces/default": {}}
        self.lists = {"/api/v1/nodes": [node("one", {"disk": "ssd"})]}
        self.denied = set()
        self.pod = {"status": {"phase": "Succeeded"}}
        self.log = json.dumps({"python": list(sys.version_info[:3]), "packages": {}})
        self.deleted = []

    def get(self, path, **_query):
        if "framework-preflight-" in path:
            return self.pod
        found = self.find(path)
        if found is None:
            raise Refused(404, "NotFound", path)
        return found

    def find(self, path):
        found = self.objects.get(path)
        if isinstance(found, Exception):
            raise found
        return found

    def list(self, path, **_query):
        found = self.lists.get(path, [])
        if isinstance(found, Exception):
            raise found
        return found

    def create(self, _path, body):
        if body["kind"] == "SelfSubjectAccessReview":
            asked = body["spec"]["resourceAttributes"]
            return {"status": {"allowed": (asked["verb"], asked["resource"]) not in self.denied}}
        return body

    def stream(self, _path, **_query):
        return Log(self.log)

    def delete(self, path, **_options):
        self.deleted.append(path)


def node(name, labels, **spec):
    return {"metadata": {"name": name, "labels": labels}, "status": READY, "spec": spec}


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def function():
    function = Function(kind="job")
    function.spec.environment.image = "team/image:1"
    return function


def look(cluster, function):
    return {finding.subject: finding for finding in examine(cluster, JobSettings(), function)}


def test_all_is_well(cluster, function):
    found = look(cluster, function)
    assert {name for name, finding in found.items() if not finding.ok} == set()
    assert found["cluster"].message == "https://cluster.example answers, v1.36.0"
    assert found["image"].message == "team/image:1 starts"
    assert len(cluster.deleted) == 1, "the pod that looked is gone"


def test_every_finding_that_is_wrong_has_its_mend(cluster, function):
    cluster.denied = {("create", "jobs"), ("get", "pods")}
    del cluster.objects["/api/v1/namespaces/default"]
    cluster.lists[f"{BASE}/resourcequotas"] = [
        {"metadata": {"name": "none"}, "status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}},
        {"metadata": {"name": "cpu"}, "status": {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": "1500m"}}},
        {"metadata": {"name": "room"}, "status": {"hard": {"requests.cpu": "20"}, "used": {"requests.cpu": "1"}}},
    ]
    spec = function.spec
    spec.resources.requests = {"cpu": "600m"}
    spec.placement.priority_class = "high"
    spec.placement.node_selector = {"disk": "tape"}
    spec.placement.service_account = "trainer"
    spec.placement.image_pull_secrets = ["registry"]
    spec.storage.volumes = [Volume(name="data", mount="/data", source="claim")]
    spec.environment.secrets = {"TOKEN": "kubernetes:app/token", "KEY": "kubernetes:other/key", "MINE": "env:MINE"}
    cluster.objects[f"{BASE}/secrets/app"] = {"data": {"user": "…"}}
    found = look(cluster, function)
    wrong = {name: finding.message for name, finding in found.items() if not finding.ok}
    assert wrong == {
        "namespace": "there is no namespace 'default'",
        "permissions": "may not create jobs; get pods; get pods/log in default",
        "quota none": "pods: 0 of 0 used, 1 wanted",
        "quota cpu": "requests.cpu: 1500m of 2 used, 600m wanted",
        "priority class": "there is no 'high' in this cluster or namespace",
        "nodes": "0 of 1 nodes are ready with disk=tape",
        "service account": "there is no 'trainer' in this cluster or namespace",
        "pull secret": "there is no 'registry' in this cluster or namespace",
        "volume data": "there is no 'claim' in this cluster or namespace",
        "secret TOKEN": "the Secret 'app' has no key 'token' (it has: user)",
        "secret KEY": "there is no 'other' in this cluster or namespace",
    }
    assert all(finding.advice for finding in found.values() if not finding.ok)


def test_what_a_quota_counts_has_to_be_named(cluster, function):
    hard = {"limits.cpu": "4", "requests.memory": "4Gi"}
    cluster.lists[f"{BASE}/resourcequotas"] = [{"metadata": {"name": "team"}, "status": {"hard": hard}}]
    found = look(cluster, function)["quota team"]
    assert found.message == "limits.cpu: has to be named; requests.memory: has to be named"
    assert "--limit" in found.advice
    given = {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"memory": "1Gi"}}
    cluster.lists[f"{BASE}/limitranges"] = [{"metadata": {"name": "all"}, "spec": {"limits": [given]}}]
    assert look(cluster, function)["quota team"].ok


def test_the_pod_that_looks_may_be_where_the_run_may_be(cluster, function):
    place = function.spec.placement
    place.tolerations, place.node_selector = [{"key": "gpu", "operator": "Exists"}], {"gpu": "true"}
    place.priority_class = "high"
    place.service_account, place.security_context = "trainer", {"runAsUser": 1000, "privileged": False}
    made = []
    cluster.create = lambda _path, body: made.append(body) or {"status": {"allowed": True}}
    look(cluster, function)
    (pod,) = [body["spec"] for body in made if body["kind"] == "Pod"]
    assert pod["tolerations"] == place.tolerations
    assert pod["nodeSelector"]["gpu"] == "true"
    assert "priorityClassName" not in pod
    assert (pod["serviceAccountName"], pod["securityContext"]) == ("trainer", {"runAsUser": 1000})
    assert pod["containers"][0]["securityContext"] == {"privileged": False}


def test_what_may_not_be_looked_at_is_no_fault(cluster, function):
    cluster.lists["/api/v1/nodes"] = Refused(403, "Forbidden", "nodes is forbidden")
    cluster.objects["/api/v1/namespaces/default"] = Refused(403, "Forbidden", "namespaces is forbidden")
    found = look(cluster, function)
    assert found["node labels"].ok
    assert found["namespace"].ok
    assert "may not be looked at" in found["namespace"].message


def test_a_cluster_that_does_not_answer_is_the_only_finding(cluster, function):
    cluster.objects["/version"] = Unreachable("the cluster does not answer", advice="Check the network.")
    (finding,) = examine(cluster, JobSettings(), function)
    assert (finding.subject, finding.ok, finding.advice) == ("cluster", False, "Check the network.")


def test_nodes_that_are_closed_do_not_count(cluster, function):
    cluster.lists["/api/v1/nodes"] = [node("one", {}, unschedulable=True)]
    assert look(cluster, function)["nodes"].message == "0 of 1 nodes are ready"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}, "ErrImagePull: manifest unknown"),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": "run as root"}}, "run as root"),
    ],
)
def test_an_image_that_does_not_start_is_said_in_the_clusters_words(cluster, function, state, words):
    cluster.pod = {"status": {"phase": "Pending", "containerStatuses": [{"name": "run", "state": state}]}}
    found = look(cluster, function)["image"]
    assert not found.ok
    assert words in found.message
    assert found.advice


def test_a_registry_that_does_not_answer_is_waited_for_for_a_while_and_that_is_said(
    cluster, function, monkeypatch, caplog
):
    now = [0.0]
    monkeypatch.setattr(probing.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(probing.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    waiting = {"reason": "ImagePullBackOff", "message": "lookup registry.example: no such host"}
    cluster.pod = {"status": {"containerStatuses": [{"name": "run", "state": {"waiting": waiting}}]}}
    found = look(cluster, function)["image"]
    assert found.message == "team/image:1: ImagePullBackOff: lookup registry.example: no such host"
    assert 30 < now[0] < 35
    words = "a pod of team/image:1 has not begun yet: ImagePullBackOff: lookup registry.example: no such host"
    assert caplog.messages == [words]
    cluster.pod = {"status": {}}
    assert look(cluster, function)["image"].message == "team/image:1: it does not start"
    assert caplog.messages[1:] == ["a pod of team/image:1 has not begun yet: no node yet"]


def test_an_image_without_python_is_said(cluster, function):
    message = 'failed to create containerd task: exec: "python3": executable file not found in $PATH'
    state = {"terminated": {"reason": "StartError", "message": message}}
    cluster.pod = {"status": {"phase": "Failed", "containerStatuses": [{"name": "run", "state": state}]}}
    found = look(cluster, function)["image"]
    assert found.message == 'team/image:1: "python3": executable file not found in $PATH'
    assert "-o python=PATH" in found.advice


@pytest.mark.parametrize(
    ("python", "ok", "words"),
    [
        ([3, 8, 1], False, "the runner needs 3.10"),
        ([3, 10, 0] if sys.version_info[:2] != (3, 10) else [3, 11, 0], True, "pickles may not be read"),
    ],
)
def test_the_python_in_the_image_is_compared(cluster, function, python, ok, words):
    cluster.log = f"a line of the image's own\n{json.dumps({'python': python, 'packages': {}})}\n"
    found = look(cluster, function)["python"]
    assert found.ok is ok
    assert words in found.message


def test_packages_that_the_code_imports_are_compared(cluster, function, tmp_path):
    code = (
        "import os, attrs, kubernetes.client\nfrom hypothesis import given\nfrom . import near\nimport unknown_here\n"
    )
    (tmp_path / "job.py").write_text(code)
    function.spec.code.path = str(tmp_path / "job.py")
    assert {"attrs", "kubernetes", "hypothesis"} <= set(probing.imported(function))
    function.spec.environment.requirements = ["Kubernetes>=1; python_version > '3'"]
    cluster.log = json.dumps({"python": list(sys.version_info[:3]), "packages": {"attrs": "1.0"}})
    found = look(cluster, function)
    assert "package kubernetes" not in found, "it is installed when the run starts"
    assert found["package attrs"].ok
    assert "1.0 in the image" in found["package attrs"].message
    assert not found["package hypothesis"].ok
    assert "--requirement hypothesis==" in found["package hypothesis"].advice


def test_who_has_no_cluster_and_asks_for_none_is_well(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    runtime = Plugins().runtime("job", RuntimeContext(home=str(tmp_path)))
    (finding,) = runtime.preflight()
    assert finding.ok
    assert "no cluster is configured" in finding.message
    (finding,) = runtime.preflight(Function(kind="job"))
    assert not finding.ok


@pytest.mark.cluster
def test_a_real_cluster_is_looked_at(tmp_path, function):
    runtime = Plugins().runtime("job", RuntimeContext(home=str(tmp_path)))
    function.spec.environment.image = "python:3.11-slim"
    found = {finding.subject: finding for finding in runtime.preflight(function)}
    assert {name: finding.message for name, finding in found.items() if not finding.ok} == {}
    assert found["python"].message.startswith("python3 in the image is 3.11")
    function.spec.options = {"python": "no-such-python"}
    found = {finding.subject: finding for finding in runtime.preflight(function)}
    assert "no-such-python" in found["image"].message
