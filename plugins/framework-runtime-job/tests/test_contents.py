"""What a pod makes comes back, and what it needs comes to it: on a real cluster, by the command line."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from framework.errors import UsageError
from framework_runtime_job import manifests, parcels
from framework_runtime_job.api import Api
from framework_runtime_job.options import JobOptions

CODE = """
import os
import framework as fw

def main(size: int = 1000):
    with open("model.bin", "wb") as file:
        file.write(bytes(range(256)) * 100)
    fw.context().log_artifact("model", "model.bin")
    with open("large.bin", "wb") as file:
        file.write(os.urandom(5 << 20))
    try:
        fw.context().log_artifact("large", "large.bin")
    except OSError as error:
        return str(error)
"""


@pytest.fixture
def document() -> dict[str, Any]:
    """A submission, as far as it matters here."""
    storage = {"target": "framework_run.inlinestore:Store", "options": {}}
    return {"run": {"uid": "0198", "name": "x"}, "artifacts": {"storage": storage}}


def test_what_is_too_large_is_kept_in_the_pod_where_that_is_asked_for(document: dict[str, Any]) -> None:
    read = manifests.for_pod(document, detached=False, options=JobOptions(keep=60))
    assert read["carrier"]["hold"] == {"folder": "/framework/work/kept", "seconds": 60}
    assert read["artifacts"]["storage"]["options"] == {"keep": "/framework/work/kept"}
    assert document["artifacts"]["storage"]["options"] == {}
    assert "hold" not in manifests.for_pod(document, detached=False, options=JobOptions())["carrier"]


def test_a_storage_that_is_reached_needs_no_such_place(document: dict[str, Any]) -> None:
    document["artifacts"]["storage"] = {"target": "framework_run.plugins.x:Store", "options": {"a": 1}}
    read = manifests.for_pod(document, detached=False, options=JobOptions(keep=60))
    assert "hold" not in read["carrier"]
    assert read["artifacts"] == document["artifacts"]


def test_an_input_beyond_the_limit_is_refused_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "LIMIT", 1000)
    (tmp_path / "table.csv").write_bytes(bytes(1001))
    with pytest.raises(UsageError, match=r"table \(1,001 bytes\) cannot be sent") as caught:
        parcels.write(tmp_path / "parcel.tar", b"", {"table": tmp_path / "table.csv"})
    assert "a volume, or a storage" in caught.value.advice
    assert not (tmp_path / "parcel.tar").exists()


def test_what_links_lead_to_is_sent_in_their_place(tmp_path: Path) -> None:
    """As a cache of models has them: a folder of links into another one."""
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshot"
    (blobs / "more").mkdir(parents=True)
    folder.mkdir()
    (blobs / "1").write_bytes(b"weights")
    (blobs / "more" / "2").write_bytes(b"words")
    (folder / "model.bin").symlink_to("../blobs/1")
    (folder / "more").symlink_to(blobs / "more")
    parcels.write(tmp_path / "parcel.tar", b"", {"model": folder})
    with tarfile.open(tmp_path / "parcel.tar") as archive:
        archive.extractall(tmp_path / "pod", filter="data")
    there = tmp_path / "pod/inputs/model/snapshot"
    assert [(there / name).read_bytes() for name in ("model.bin", "more/2")] == [b"weights", b"words"]


@pytest.mark.parametrize(("to", "where"), [("missing", "nothing"), (".", "a folder that it is in")])
def test_a_link_that_leads_nowhere_or_round_is_refused(tmp_path: Path, to: str, where: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(folder / to)
    with pytest.raises(UsageError, match=f"leads to {where}"):
        parcels.write(tmp_path / "parcel.tar", b"", {"data": folder})
    assert not (tmp_path / "parcel.tar").exists()


KEEPING = """
import os
import framework as fw

def main():
    with open("model.bin", "wb") as file:
        file.write(os.urandom(5 << 20))
    fw.context().log_artifact("model", "model.bin")
"""


@pytest.mark.cluster
def test_a_pod_stays_for_what_was_too_large(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(KEEPING)
    image = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")
    words = [
        "run",
        "job.py:main",
        "--kind",
        "job",
        "--image",
        image,
        "--request",
        "cpu=50m",
        "-o",
        "keep=600",
        "--json",
    ]
    environment = {**os.environ, "FRAMEWORK_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [Path(sys.executable).parent / "framework", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    run = json.loads(done.stdout)
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "BackendError"), done.stderr
    assert "/framework/work/kept/0-model.bin" in run["status"]["advice"]
    api = Api()
    pods = f"/api/v1/namespaces/{api.namespace}/pods"
    (pod,) = api.list(pods, labelSelector=f"framework/run={run['metadata']['uid']}")
    try:
        size = "import os, sys; print(os.path.getsize(sys.argv[1]))"
        words = ["python3", "-c", size, "/framework/work/kept/0-model.bin"]
        assert int(api.execute(f"{pods}/{pod['metadata']['name']}", words)) == 5 << 20
    finally:
        api.delete(f"{pods}/{pod['metadata']['name']}", gracePeriodSeconds=0)


@pytest.mark.cluster
def test_artifacts_come_back_without_any_storage_at_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(CODE)
    image = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")
    words = ["run", "job.py:main", "--kind", "job", "--image", image, "--request", "cpu=50m", "--json"]
    done = subprocess.run(
        [Path(sys.executable).parent / "framework", *words],
        cwd=tmp_path,
        env={**os.environ, "FRAMEWORK_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    status = json.loads(done.stdout)["status"]
    assert status["state"] == "completed", done.stderr
    assert set(status["artifacts"]) == {"model"}
    assert "4 MiB in all" in status["results"]["return"]
    place = Path(status["artifacts"]["model"]["uri"].removeprefix("file://"))
    assert place.is_relative_to(tmp_path / "home" / "artifacts")
    assert f"sha256:{hashlib.sha256(place.read_bytes()).hexdigest()}" == status["artifacts"]["model"]["digest"]
