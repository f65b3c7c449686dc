"""What the cluster has and the code reads: variables from ConfigMaps and Secrets, volumes of every type."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest

from framework.models.function import Volume

READ = """
import os
from pathlib import Path

def main():
    named = {name: os.environ.get(name) for name in ("COLOUR", "P_COLOUR", "TOKEN")}
    found = {path: Path(path).read_text() for path in ("/config/colour", "/keys/token", "/host/file", "/claim/file")}
    Path("/host/written").write_text("by the run")
    Path("/claim/written").write_text("by the run")
    Path("/empty/written").write_text("by the run")
    Path("/sub/written").write_text("by the run")
    try:
        Path("/fixed/written").write_text("by the run")
    except OSError as error:
        found["refused"] = error.strerror
    return {**named, **found, "empty": os.listdir("/empty")}
"""


@pytest.fixture
def folder():
    """A folder of this machine, which is the node."""
    path = Path("/tmp") / f"volumes-{uuid.uuid4().hex[:8]}"
    for part in ("host", "claim"):
        (path / part).mkdir(parents=True)
        (path / part / "file").write_text(f"of the {part}")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def sources(kubectl, folder):
    """A ConfigMap and a Secret of one name; the name."""
    name = folder.name
    kubectl("create", "configmap", name, "--from-literal=COLOUR=blue", "--from-literal=colour=green")
    kubectl("create", "secret", "generic", name, "--from-literal=TOKEN=s3cr3t", "--from-literal=token=s3cr3t")
    yield name
    kubectl("delete", "configmap,secret", name, "--wait=false")


def test_variables_and_volumes_of_every_type(start, sources, claim, folder):
    claimed = claim(folder / "claim")

    def change(spec):
        spec.options["env_from"] = [
            {"configMapRef": {"name": sources}},
            {"configMapRef": {"name": sources}, "prefix": "P_"},
            {"secretRef": {"name": sources}},
        ]
        spec.storage.volumes += [
            Volume(name="config", mount="/config", type="config_map", source=sources),
            Volume(name="keys", mount="/keys", type="secret", source=sources),
            Volume(name="host", mount="/host", type="host_path", source=f"{folder}/host"),
            Volume(name="host", mount="/fixed", type="host_path", source=f"{folder}/host", read_only=True),
            Volume(name="claim", mount="/claim", source=claimed),
            Volume(name="claim", mount="/sub", source=claimed, sub_path="below"),
            Volume(name="empty", mount="/empty", type="empty_dir"),
        ]

    ran = start(READ, change).finish()
    assert ran.state == "completed", ran
    assert ran.results["return"] == {
        "COLOUR": "blue",
        "P_COLOUR": "blue",
        "TOKEN": "s3cr3t",
        "/config/colour": "green",
        "/keys/token": "s3cr3t",
        "/host/file": "of the host",
        "/claim/file": "of the claim",
        "refused": "Read-only file system",
        "empty": ["written"],
    }
    for written in ("host/written", "claim/written", "claim/below/written"):
        assert (folder / written).read_text() == "by the run"


@pytest.mark.parametrize("kind", ["configMapRef", "secretRef"])
def test_variables_of_what_is_not_there(start, kind):
    source = {kind: {"name": "no-such-source"}}
    ran = start("def main(): pass", lambda spec: spec.options.update({"env_from": [source]})).finish()
    assert (ran.state, ran.cause) == ("failed", "BadInput"), ran
    assert '"no-such-source" not found' in ran.status["message"]


def test_variables_of_what_may_be_missing(start):
    source = {"secretRef": {"name": "no-such-source", "optional": True}}
    ran = start("def main(): return 1", lambda spec: spec.options.update({"env_from": [source]})).finish()
    assert ran.results == {"return": 1}, ran
