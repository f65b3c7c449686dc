"""What is left on a real cluster, and that `framework runs gc` finds and removes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from framework.plugins.manager import Plugins
from framework_runtime_job import leftovers
from framework_runtime_job.names import MANAGED, PREFLIGHT

SIDECAR = {"name": "beside", "image": os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")}
SIDECAR["command"] = ["python3", "-c", "import time; time.sleep(600)"]


@pytest.fixture
def cli(home, tmp_path):
    """Calls the program in a folder with a function, and gives what it wrote to both of its streams."""
    (tmp_path / "job.py").write_text("def main(): return 1\n")
    program = Path(sys.executable).parent / "framework"
    env = {**os.environ, "FRAMEWORK_HOME": str(home)}

    def call(*words):
        ended = subprocess.run(
            [program, *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout, ended.stderr

    return call


def _run(cli, *words):
    return json.loads(cli("run", "job.py:main", "--kind", "job", "--json", *words)[0])["metadata"]["uid"]


def _jobs(kubectl, namespace, uid):
    return kubectl("get", "jobs", "-n", namespace, "-l", f"framework/run={uid}", "-o", "json")["items"]


def test_another_namespace_is_looked_at_and_one_that_is_away_is_said(cli, kubectl, team, home):
    uid = _run(cli, "-o", f"namespace={team}", "--set", "life.ttl=600")
    (job,) = _jobs(kubectl, team, uid)
    change = '[{"op": "remove", "path": "/spec/ttlSecondsAfterFinished"}]'
    kubectl("patch", "job", "-n", team, job["metadata"]["name"], "--type=json", "-p", change)
    away = _handle_elsewhere(home, uid)
    out, err = cli("runs", "gc", "--kind", "job", "--json", "--dry-run")
    assert uid in {each["run"] for each in json.loads(out)}
    assert f"could not be looked at: no context leads to {away}" in err
    cli("runs", "gc", "--kind", "job", "--yes")
    assert _jobs(kubectl, team, uid) == []


def _handle_elsewhere(home, uid):
    """Make a run of the database one of a cluster that no context leads to."""
    database = Plugins().database(f"sqlite:///{home}/framework.db")
    run = database.run(uid)
    run["metadata"]["uid"] = str(uuid.uuid4())
    handle = {**database.active_run(uid).handle, "server": "https://away.example:6443"}
    database.create_run(run, handle=handle)
    database.close()
    return handle["server"]


def test_a_job_that_another_container_keeps_from_ending(cli, kubectl):
    patch = {"spec": {"template": {"spec": {"containers": [SIDECAR]}}}}
    uid = _run(cli, "-o", f"patch={json.dumps(patch)}", "--set", "life.ttl=2")
    deadline = time.monotonic() + 60
    while True:
        found = {each["run"]: each for each in json.loads(cli("runs", "gc", "--kind", "job", "--json", "--dry-run")[0])}
        if uid in found:
            break
        assert time.monotonic() < deadline, _jobs(kubectl, "default", uid)
        time.sleep(0.5)
    assert "another container goes on" in found[uid]["reason"]
    cli("runs", "gc", "--kind", "job", "--yes")
    assert _jobs(kubectl, "default", uid) == []


def test_a_pod_that_only_looked(runtime, kubectl, monkeypatch):
    name = f"{PREFLIGHT}{uuid.uuid4().hex[:10]}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {MANAGED: "framework"}},
        "spec": {"containers": [SIDECAR], "schedulingGates": [{"name": "framework/never"}]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    assert name not in {each.name.rpartition("/")[2] for each in runtime.leftovers(lambda _uid: None)}
    monkeypatch.setattr(leftovers, "_LOOKED", -5.0)  # the cluster's times are whole seconds
    (found,) = (each for each in runtime.leftovers(lambda _uid: None) if each.name.endswith(name))
    runtime.discard(found)
    kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=60s")


def test_the_use_of_the_runner_is_noted_at_an_immutable_config_map(cli, kubectl, team):
    _run(cli, "-o", f"namespace={team}")
    maps = ("get", "configmaps", "-n", team, "-l", f"{MANAGED}=framework", "-o", "json")
    (held,) = kubectl(*maps)["items"]
    name = held["metadata"]["name"]
    long_ago = ("annotate", "--overwrite", "configmap", "-n", team, name, "framework/used=2020-01-01T00:00:00Z")
    kubectl(*long_ago)
    listed = json.loads(cli("runs", "gc", "--kind", "job", "--json", "--dry-run")[0])
    assert f"ConfigMap {team}/{name}" in {each["name"] for each in listed}
    _run(cli, "-o", f"namespace={team}")
    (held,) = kubectl(*maps)["items"]
    assert held["metadata"]["annotations"]["framework/used"] > "2026"
    listed = json.loads(cli("runs", "gc", "--kind", "job", "--json", "--dry-run")[0])
    assert f"ConfigMap {team}/{name}" not in {each["name"] for each in listed}
    kubectl(*long_ago)
    cli("runs", "gc", "--kind", "job", "--yes")
    assert kubectl(*maps)["items"] == []
