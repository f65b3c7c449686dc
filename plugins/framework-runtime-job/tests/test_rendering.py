"""What is rendered: golden files of whole manifests, and the rules that a golden file does not show."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.engine.defaults import under
from framework.errors import DocumentError, UsageError
from framework.models.function import Volume
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_runtime_job.names import job_name, label
from framework_runtime_job.runtime import JobRuntime

GOLDEN = Path(__file__).parent / "golden"
UID = "0198f2f0-1111-7222-8333-444455556666"
SIDECAR = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}  # a container that ends with the run's


def _runtime(tmp_path, **settings):
    return JobRuntime(RuntimeContext(home=str(tmp_path), settings=settings))


def _plain():
    return submission("job", "def main(): pass")


def _everything():
    planned = submission(
        "job",
        "def main(): pass",
        env={"COLOUR": "blue $(NOT_OURS)", "PYTHONPATH": "/app", "TOKEN": "value"},
        timeouts={"pending": 30, "run": 60, "grace": 3.5},
    )
    spec = planned.function.spec
    spec.environment.image = "registry.example/train:1"
    spec.environment.secrets = {"TOKEN": "kubernetes:keys/token"}
    planned.document["secrets"] = {
        "TOKEN": {"store": "kubernetes", "key": "keys/token", "target": "x:Y", "options": {}}
    }
    spec.resources.requests = {"cpu": "500m", "memory": "1Gi", "gpu": 2, "ephemeral-storage": "5Gi"}
    spec.resources.limits = {"memory": "2Gi", "amd.com/gpu": 1}
    place = spec.placement
    place.node_selector = {"kubernetes.io/arch": "arm64"}
    place.tolerations = [{"key": "gpu", "operator": "Exists"}]
    place.priority_class, place.service_account, place.image_pull_policy = "high", "trainer", "Always"
    place.image_pull_secrets = ["registry"]
    place.security_context = {"runAsUser": 1000, "fsGroup": 2000, "readOnlyRootFilesystem": True}
    place.preemption = "constrain"
    spec.storage.volumes = [
        Volume(name="data", mount="/data", source="claim", read_only=True, sub_path="a"),
        Volume(name="data", mount="/more", source="claim"),
        Volume(name="conf", mount="/conf", type="config_map"),
        Volume(name="keys", mount="/keys", type="secret"),
        Volume(name="host", mount="/host", type="host_path", source="/mnt"),
        Volume(name="tmp", mount="/tmp", type="empty_dir"),
    ]
    spec.code.workdir = "/data"
    spec.options = {
        "namespace": "team",
        "labels": {"team": "a"},
        "annotations": {"note": "b"},
        "env_from": [{"configMapRef": {"name": "common"}}],
        "deadline": 90.5,
        "suspend": True,
        "patch": {"spec": {"template": {"spec": {"initContainers": [SIDECAR], "hostNetwork": True}}}},
    }
    return planned


def _map():
    """Three items of it, two at once, each with an accelerator."""
    planned = [submission("job", "def main(n): pass", params={"n": n}) for n in range(3)]
    for number, each in enumerate(planned):
        each.document["run"]["uid"] = f"0198f2f0-1111-7222-8333-00000000000{number}"
        each.document["record"]["spec"]["parent"] = UID
        each.function.spec.resources.requests = {"gpu": 1}
        each.function.spec.options = {"keep": 60}
    return planned


def _rendered(runtime, planned):
    """What is shown of a run, or of a map; what people cannot read in it is made readable."""
    first = planned[0] if isinstance(planned, list) else planned
    first.document["token"] = "0123456789abcdef"
    if isinstance(planned, list):
        found = runtime.render_map(planned, 2)
    else:
        planned.document["run"]["uid"] = UID
        found = runtime.render(planned)
    for item in found["items"]:
        if "stringData" in item:
            read = json.loads(item["stringData"]["submission.json"])
            read["code"]["archive"] = "…"
            item["stringData"]["submission.json"] = read
        elif item["kind"] == "Secret":
            unpacked = {at: gzip.decompress(base64.b64decode(packet)) for at, packet in item["data"].items()}
            item["data"] = {at: list(map(json.loads, lines.splitlines())) for at, lines in unpacked.items()}
    return found


def _as_shown(found):
    """The opposite: a golden file as `kubectl apply` takes it, in a namespace that is there."""
    for item in found["items"]:
        item["metadata"]["namespace"] = "default"
        if "stringData" in item:
            item["stringData"]["submission.json"] = json.dumps(item["stringData"]["submission.json"])
        elif item["kind"] == "Secret":
            item["data"] = {at: base64.b64encode(str(lines).encode()).decode() for at, lines in item["data"].items()}
    return found


@pytest.mark.parametrize(("name", "make"), [("plain", _plain), ("everything", _everything), ("map", _map)])
def test_golden(tmp_path, name, make):
    spot = {"spot_labels": {"spot": "true"}, "spot_tolerations": [{"key": "spot", "operator": "Exists"}]}
    found = json.dumps(
        _rendered(_runtime(tmp_path, image="python:3.11-slim", **spot), make()), indent=1, sort_keys=True
    )
    path = GOLDEN / f"{name}.json"
    if os.environ.get("FRAMEWORK_TEST_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found + "\n", encoding="utf-8")
    assert found + "\n" == path.read_text("utf-8")


@pytest.mark.cluster
def test_what_is_golden_is_valid_to_the_api_server():
    for path in GOLDEN.glob("*.json"):
        shown = json.dumps(_as_shown(json.loads(path.read_text("utf-8"))))
        words = ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-"]
        done = subprocess.run(words, input=shown, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (path.name, done.stderr)
        assert done.stderr == "", (path.name, "a warning is the API server's word as well")


def test_the_defaults_of_the_cluster_are_under_what_the_function_says(tmp_path):
    planned = _plain()
    planned.function.spec.resources.requests = {"cpu": "2"}
    defaults = {"resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}, "placement": {"service_account": "runner"}}
    runtime = _runtime(tmp_path, defaults=defaults)
    planned.function, before = under(runtime.defaults, planned.function), planned.function
    pod = runtime.render(planned)["items"][2]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "32Mi"}
    assert pod["serviceAccountName"] == "runner"
    assert before.spec.resources.requests == {"cpu": "2"}


def test_a_setting_that_is_not_known_is_refused_by_its_path(tmp_path):
    with pytest.raises(DocumentError, match=r"\$\.runtime\.job.*imag"):
        _runtime(tmp_path, imag="x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: setattr(spec.scale, "replicas", 2), "spec.scale.replicas is 2"),
        (lambda spec: setattr(spec.code, "workdir", "here"), "spec.code.workdir"),
        (lambda spec: spec.storage.volumes.append(Volume(name="v", mount="data")), "'v' is mounted at 'data'"),
        (lambda spec: spec.storage.volumes.append(Volume(name="v", mount="/framework/")), "/framework"),
        (lambda spec: spec.options.update(nmespace="x"), "nmespace"),
        (lambda spec: setattr(spec.placement, "preemption", "prevent"), "spot_labels of this cluster are not set"),
    ],
)
def test_what_cannot_be_rendered_is_refused_offline(tmp_path, change, said):
    function = _plain().function
    change(function.spec)
    with pytest.raises(UsageError) as caught:
        _runtime(tmp_path).validate(function)
    assert said in caught.value.message
    assert caught.value.advice


@pytest.mark.parametrize(
    ("limits", "keep", "deadline"),
    [
        ({"pending": 60, "run": 100, "grace": 10}, None, 200),
        ({"pending": 60, "run": 100, "grace": 10}, 3600, 3800),
        ({"pending": 60, "run": None, "grace": 10}, None, None),
        ({"pending": None, "run": 100, "grace": 10}, None, None),
    ],
)
def test_the_cluster_keeps_what_it_can_of_the_limits_of_time(tmp_path, limits, keep, deadline):
    planned = submission("job", "def main(): pass", timeouts=limits)
    planned.function.spec.options["keep"] = keep
    assert _runtime(tmp_path).render(planned)["items"][2]["spec"].get("activeDeadlineSeconds") == deadline


def test_a_secret_without_a_key_is_refused(tmp_path):
    planned = _plain()
    planned.function.spec.environment.secrets = {"TOKEN": "kubernetes:keys"}
    with pytest.raises(UsageError, match="names no key"):
        _runtime(tmp_path).render(planned)


@given(st.text(max_size=80), st.uuids(), st.integers(1, 99))
def test_names_are_dns_labels_with_room_for_a_pods_own(name, uid, attempt):
    found = job_name({"name": name, "uid": str(uid), "attempt": attempt})
    assert len(found) <= 63 - len("-abcde") - len("-10000")
    assert found.isascii()
    assert found[0].isalpha()
    assert found == found.lower()
    assert all(part for part in found.split("-"))
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(st.text(max_size=200))
def test_labels_take_what_labels_may_have(text):
    found = label(text)
    assert len(found) <= 63
    assert not found or (found[0].isalnum() and found[-1].isalnum())
