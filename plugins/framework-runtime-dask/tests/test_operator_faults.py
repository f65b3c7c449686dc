"""The provider ``operator`` when things go wrong, on a real Kubernetes cluster: through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from distributed.security import Security

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("dask-operator"), pytest.mark.timeout(400)]

CODE = """
import os, time
import framework as fw

def square(n: int, pause: float = 0.0) -> int:
    print("number", n, flush=True)
    time.sleep(pause)
    return n * n

def given() -> list:
    print("the token is", os.environ["TOKEN"], flush=True)
    return [len(os.environ["TOKEN"]), os.environ["COLOUR"], os.environ["MORE"]]

def many(context: fw.Context, n: int) -> int:
    client = context.dask_client
    return sum(client.gather(client.map(pow, range(n), [2] * n)))
"""

CONFIG = """
[runtime.dask]
provider = "operator"
image = "{image}"
cluster = "faults"
threads = 8
idle_timeout = "{idle}"

[runtime.dask.scheduler.requests]
cpu = "100m"
memory = "64Mi"

[[runtime.dask.patch.spec.worker.spec.containers]]
name = "worker"
resources.requests.cpu = "100m"
"""
IMAGE = os.environ.get("FRAMEWORK_TEST_DASK_IMAGE", "local/dask:1")


def kubectl(*words):
    ended = subprocess.run(["kubectl", *words], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout) if "json" in words else ended.stdout


def until(holds, patience=120.0):
    """Wait until something holds, and give what it is."""
    deadline = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


class Person:
    """Somebody at a terminal, in a folder with ``job.py``."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        (folder / "job.py").write_text(CODE)
        (folder / "home").mkdir()
        self.folder = folder
        self.settle(idle="5m")

    def settle(self, **over):
        text = CONFIG.format(**{"image": IMAGE, **over})
        (self.folder / "home" / "config.toml").write_text(text)

    def call(self, *words, code=0):
        env = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
        env["FRAMEWORK_HOME"] = str(self.folder / "home")
        ended = subprocess.run(
            [sys.executable, "-m", "framework", *words],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        return json.loads(ended.stdout) if "--json" in words else ended.stdout + ended.stderr

    def run(self, *words, code=0):
        return self.call("run", *words, "--kind", "dask", "--json", code=code)

    def shown(self, run):
        self.call("runs", "sync")
        return self.call("runs", "show", run["metadata"]["uid"], "--json")


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    someone = Person(tmp_path_factory.mktemp("person") / "work")
    if subprocess.run(["kubectl", "get", "daskclusters"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the Dask operator is not installed: testbed operators dask")
    yield someone
    for cluster in someone.call("dask", "cluster", "list", "--json"):
        if cluster["cluster"] in {"faults", "short"}:
            someone.call("dask", "cluster", "close", cluster["cluster"])


def ended(run):
    return run["status"]["state"] in {"completed", "failed", "aborted"}


def test_it_is_listed_shown_used_again_and_closed(person):
    assert person.run("job.py:square", "-p", "n=4")["status"]["results"] == {"return": 16}
    assert person.run("job.py:many", "-p", "n=4")["status"]["results"] == {"return": 14}
    (listed,) = [it for it in person.call("dask", "cluster", "list", "--json") if it["cluster"] == "faults"]
    shown = person.call("dask", "cluster", "show", "faults", "--json")
    assert shown["address"] == listed["address"]
    assert [it["threads"] for it in shown["workers"].values()] == [8]
    other = person.call("run", "job.py:square", "-p", "n=4", "--kind", "dask", "-o", "threads=2", code=1)
    assert "is another than is asked for now: .spec.worker.spec.containers[0].args" in other
    assert "framework dask cluster close faults" in other
    person.call("dask", "cluster", "close", "faults")
    assert [it for it in person.call("dask", "cluster", "list", "--json") if it["cluster"] == "faults"] == []


def test_a_patch_with_a_field_that_the_cluster_does_not_know_is_refused(person):
    patch = "patch={spec: {worker: {spec: {nodeSelektor: {a: b}}}}}"
    said = person.call("run", "job.py:square", "-p", "n=4", "--kind", "dask", "-o", "cluster=odd", "-o", patch, code=1)
    assert 'unknown field "spec.worker.spec.nodeSelektor"' in said
    assert [it for it in person.call("dask", "cluster", "list", "--json") if it["cluster"] == "odd"] == []


def test_a_registry_that_is_not_there_is_said_while_it_is_waited_for(person):
    words = ("run", "job.py:square", "-p", "n=4", "--kind", "dask", "-o", "cluster=odd", "--image", "none.example/it:1")
    said = person.call(*words, "--set", "spec.life.timeouts.image_pull=25", code=1)
    line = next(line for line in said.splitlines() if line.startswith("the DaskCluster default/odd waits: "))
    assert "none.example" in line
    assert "failed: ImagePull" in said


def test_a_handler_that_is_here_reaches_the_workers_by_a_port_of_its_own(person):
    run = person.run("job.py:many", "-p", "n=4", "-o", "driver=client")
    assert run["status"]["results"] == {"return": 14}
    log = person.call("logs", run["metadata"]["uid"])
    assert "left behind" not in log


def test_more_workers_are_asked_for_by_the_next_run(person):
    person.run("job.py:square", "-p", "n=4")
    person.run("job.py:square", "-p", "n=4", "--set", "spec.scale.replicas=2")
    until(lambda: len(person.call("dask", "cluster", "show", "faults", "--json")["workers"]) == 2)


def test_of_how_many_workers_the_last_wish_holds(person):
    def run(**scale):
        words = [word for name, count in scale.items() for word in ("--set", f"spec.scale.{name}={count}")]
        person.run("job.py:square", "-p", "n=4", *words)

    def bounds():
        scalers = kubectl("get", "daskautoscalers", "-o", "json")["items"]
        ours = [it["spec"] for it in scalers if it["spec"]["cluster"] == "faults"]
        return [(it["minimum"], it["maximum"]) for it in ours]

    def workers():
        return len(person.call("dask", "cluster", "show", "faults", "--json")["workers"])

    run(min_replicas=1, max_replicas=2)
    assert bounds() == [(1, 2)]
    run(min_replicas=3, max_replicas=4)
    assert bounds() == [(3, 4)]
    until(lambda: workers() == 3)
    run()  # takes it as it is
    assert bounds() == [(3, 4)]
    run(replicas=1)
    assert bounds() == []
    until(lambda: workers() == 1)


_CONTAINERS = [{"name": "worker", "env": [{"name": "MORE", "value": "1"}]}]
PATCH = {"spec": {"worker": {"metadata": {"labels": {"team": "a"}}, "spec": {"containers": _CONTAINERS}}}}


def test_workers_have_the_clusters_secrets_and_what_a_patch_says(person):
    kubectl("create", "secret", "generic", "dask-keys", "--from-literal=token=very-secret")
    kubectl("create", "configmap", "dask-common", "--from-literal=COLOUR=blue")
    env_from = [{"configMapRef": {"name": "dask-common"}}]
    options = ["cluster=short", f"env_from={json.dumps(env_from)}", f"patch={json.dumps(PATCH)}"]
    words = [word for each in options for word in ("-o", each)]
    try:
        run = person.run("job.py:given", "--secret", "TOKEN=kubernetes:dask-keys/token", *words)
        assert run["status"]["results"] == {"return": [len("very-secret"), "blue", "1"]}
        log = person.call("logs", run["metadata"]["uid"])
        assert "very-secret" not in log
        assert "***" in log
        (pod,) = kubectl("get", "pods", "-l", "dask.org/cluster-name=short,team=a", "-o", "json")["items"]
        assert pod["metadata"]["labels"]["dask.org/component"] == "worker"
        assert "very-secret" not in json.dumps(pod)
    finally:
        person.call("dask", "cluster", "close", "short")
        kubectl("delete", "secret/dask-keys", "configmap/dask-common")


def test_a_worker_pod_that_is_killed_neither_loses_nor_doubles(person):
    (person.folder / "items.jsonl").write_text("".join(f'{{"n": {n}, "pause": 30}}\n' for n in range(8)))
    run = person.run("job.py:square", "--map", "items.jsonl", "--detach")
    uid = run["metadata"]["uid"]

    def begun():
        person.call("runs", "sync")
        items = person.call("runs", "list", "--parent", uid, "--json", "--limit", "20")
        return [it for it in items if it["status"]["state"] == "running"]

    until(begun)
    kubectl("delete", "pod", "-l", "dask.org/cluster-name=faults,dask.org/component=worker", "--force", "--wait=false")
    found = until(lambda: (it := person.shown(run)) and ended(it) and it, patience=240.0)
    assert found["status"]["results"] == {"completed": 8, "failed": 0}
    items = person.call("runs", "list", "--parent", uid, "--json", "--limit", "20")
    assert sorted(it["status"]["results"]["return"] for it in items) == [n * n for n in range(8)]
    assert any(len(it["status"]["attempts"]) > 1 for it in items)


def test_a_scheduler_that_is_killed_leaves_a_run_that_is_lost_and_the_next_one_runs(person):
    run = person.run("job.py:square", "-p", "n=3", "-p", "pause=60", "--detach")
    until(lambda: person.shown(run)["status"]["state"] == "running")
    kubectl("delete", "pod", "-l", "dask.org/cluster-name=faults,dask.org/component=scheduler", "--force")
    found = until(lambda: (it := person.shown(run)) and ended(it) and it)
    assert (found["status"]["state"], found["status"]["cause"]) == ("failed", "Lost")
    assert "scheduler" in found["status"]["message"]
    assert person.run("job.py:square", "-p", "n=5")["status"]["results"] == {"return": 25}


def test_an_image_that_is_not_there_is_said_with_the_registrys_words(person):
    image = "127.0.0.1:5000/nowhere:1"
    run = person.run("job.py:square", "-p", "n=3", "-o", f"image={image}", "-o", "cluster=broken", code=1)
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "ImagePull")
    assert image in run["status"]["message"]
    assert "spec.placement.image_pull_secrets" in run["status"]["advice"]
    assert [it for it in person.call("dask", "cluster", "list", "--json") if it["cluster"] == "broken"] == []


def test_a_cluster_whose_scheduler_is_not_up_is_shown_as_that(person):
    person.run("job.py:square", "-p", "n=3", "-o", "cluster=down")
    kubectl("scale", "deployment", "down-scheduler", "--replicas=0")
    of_scheduler = "dask.org/cluster-name=down,dask.org/component=scheduler"
    until(lambda: not kubectl("get", "pods", "-l", of_scheduler, "-o", "json")["items"])
    said = person.call("dask", "cluster", "show", "down", code=1)
    assert "the scheduler of the cluster 'down' is not up: its pod is not ready" in said
    # While the operator asks that scheduler whether it is idle, it does not let go of the cluster.
    assert "down is closed." in person.call("dask", "cluster", "close", "down")


def test_what_nobody_has_collected_keeps_a_cluster_and_then_it_ends_by_itself(person):
    person.settle(idle="4s")
    over = ("-o", "cluster=short")
    run = person.run("job.py:square", "-p", "n=6", "-p", "pause=1", *over, "--detach")
    time.sleep(20)  # the operator looks every five seconds: it has looked, and the results are there
    assert kubectl("get", "daskcluster", "short", "-o", "json")["metadata"]["name"] == "short"
    found = until(lambda: (it := person.shown(run)) and ended(it) and it)
    assert found["status"]["results"] == {"return": 36}
    until(lambda: "short" not in kubectl("get", "daskclusters", "-o", "name"))


def test_certificates_of_a_secret(person):
    person.settle(idle="5m")
    made = Security.temporary()
    contents = {"ca.crt": made.tls_ca_file, "tls.crt": made.tls_client_cert, "tls.key": made.tls_client_key}
    for name, text in contents.items():
        (person.folder / name).write_text(text)
    files = [f"--from-file={person.folder / name}" for name in contents]
    kubectl("delete", "secret", "faults-tls", "--ignore-not-found")
    kubectl("create", "secret", "generic", "faults-tls", *files)
    secure = {"secret": "faults-tls", "ca_file": "ca.crt", "cert": "tls.crt", "key": "tls.key"}
    words = [word for name, value in secure.items() for word in ("-o", f"security.{name}={value}")]
    run = person.run("job.py:many", "-p", "n=4", "-o", "cluster=secure", *words)
    assert run["status"]["results"] == {"return": 14}
    shown = person.call("dask", "cluster", "show", "secure", "--json")
    assert shown["address"].startswith("tls://")
    assert all(address.startswith("tls://") for address in shown["workers"])
    person.call("dask", "cluster", "close", "secure")
    kubectl("delete", "secret", "faults-tls")


def test_doctor_says_what_is_there(person):
    said = person.call("doctor", "--kind", "dask", "job.py:square")
    assert "knows Dask clusters" in said
    assert "all that is needed is permitted" in said
