"""What the doctor finds on a real cluster before anything is sent: each check, wrong for once."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pytest
import yaml

from framework.models import Function
from framework.plugins.manager import Plugins
from framework.runtimes import RuntimeContext


@pytest.fixture
def team(kubectl):
    """A namespace of its own, in which nobody may start a pod."""
    name = f"team-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("create", "quota", "zero", "--hard=pods=0", "-n", name)
    deadline = time.monotonic() + 60
    while not kubectl("get", "quota", "zero", "-n", name, "-o", "json").get("status", {}).get("hard"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def look(tmp_path):
    """What is found of a function; ``change`` makes it what it is."""

    def call(change=lambda _spec: None, **options):
        function = Function(kind="job")
        function.spec.environment.image = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")
        function.spec.options = options
        change(function.spec)
        runtime = Plugins().runtime("job", RuntimeContext(home=str(tmp_path)))
        found = {finding.subject: finding for finding in runtime.preflight(function)}
        assert all(finding.advice for finding in found.values() if not finding.ok)
        return {name: finding.message for name, finding in found.items() if not finding.ok}

    return call


def test_a_quota_a_class_and_labels_that_are_not_there(look, team):
    def change(spec):
        spec.placement.priority_class = "no-such-class"
        spec.placement.node_selector = {"disk": "tape"}

    wrong = look(change, namespace=team)
    assert wrong["quota zero"] == "pods: 0 of 0 used, 1 wanted"
    assert wrong["priority class"] == "there is no 'no-such-class' in this cluster or namespace"
    assert "ready with disk=tape" in wrong["nodes"]
    assert "exceeded quota: zero" in wrong["image"]
    assert set(wrong) == {"quota zero", "priority class", "nodes", "image"}


def test_a_namespace_and_an_image_that_are_not_there(look):
    assert look(namespace="no-such-team")["namespace"] == "there is no namespace 'no-such-team'"
    image = "127.0.0.1:5000/nowhere/nothing:1"
    wrong = look(lambda spec: setattr(spec.environment, "image", image))
    assert set(wrong) == {"image"}
    assert image in wrong["image"]


def test_packages_of_the_code_that_the_image_lacks(look, tmp_path):
    (tmp_path / "job.py").write_text("import attrs\ndef main(): pass\n")
    wrong = look(lambda spec: setattr(spec.code, "path", str(tmp_path / "job.py")))
    assert set(wrong) == {"package attrs"}
    assert "imported by the code and is not in the image" in wrong["package attrs"]


def test_permissions_that_are_not_given(look, team, kubectl, tmp_path, monkeypatch):
    """With the token of a service account to which nobody has given anything."""
    kubectl("create", "serviceaccount", "guest", "-n", team)
    token = kubectl("create", "token", "guest", "-n", team).strip()
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    (tmp_path / "guest").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "guest"))
    wrong = look(namespace=team)
    assert wrong["permissions"].startswith("may not create, get, list, watch, patch, delete jobs; ")
    assert "create pods/exec" in wrong["permissions"]
