"""What a pod has around it: storage that it reaches by permissions, packages, an image that was built for it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import uuid
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

TOOL = Path(sys.executable).parent / "framework"
REGISTRY = ("127.0.0.1", 5000)
S3 = ("10.123.0.1", 9000)
BASE = "127.0.0.1:5000/library/python:3.11-slim"  # as `testbed image push python:3.11-slim` has it

MAKE = """
import os
import framework as fw

def main():
    with open("weights.bin", "wb") as file:
        file.write(b"weights" * 1_000_000)
    fw.context().log_artifact("weights", "weights.bin")
    return sorted(name for name in os.environ if name.startswith("AWS_"))
"""
READ = """
def main(weights):
    with open(weights, "rb") as file:
        return file.read().count(b"weights")
"""


def _answers(address):
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(address) == 0


@pytest.fixture
def framework(home, tmp_path):
    """Call the tool; what it writes as JSON, whatever has come of it."""

    def call(*words):
        environment = {**os.environ, "FRAMEWORK_HOME": str(home)}
        ended = subprocess.run(
            [TOOL, *words, "--json"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    return call


@pytest.fixture
def s3(monkeypatch):
    """The test bed's S3 is the storage: `testbed service s3 up`. More than the 4 MiB that events carry fits there."""
    if not _answers(S3):
        pytest.skip("there is no S3 that pods reach: testbed service s3 up")
    settings = {
        "AWS_ENDPOINT_URL": f"http://{S3[0]}:{S3[1]}",
        "AWS_ACCESS_KEY_ID": "testbed",
        "AWS_SECRET_ACCESS_KEY": "testbed-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "FRAMEWORK_STORAGE": f"s3://framework-cluster/{uuid.uuid4().hex}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    from s3fs import S3FileSystem

    system = S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    if not system.exists("framework-cluster"):
        system.mkdir("framework-cluster")


def test_artifacts_and_inputs_by_s3_from_an_image_without_a_client(framework, s3, tmp_path):
    (tmp_path / "make.py").write_text(MAKE)
    (tmp_path / "read.py").write_text(READ)
    made = framework("run", "make.py:main", "--kind", "job")["status"]
    assert made["state"] == "completed", made
    assert made["results"] == {"return": []}, "no credentials travel"
    assert made["artifacts"]["weights"]["uri"].startswith("s3://framework-cluster/")
    assert made["artifacts"]["weights"]["size"] == 7_000_000
    read = framework("run", "read.py:main", "--kind", "job", "-i", "weights=store://default/weights")["status"]
    assert read.get("results") == {"return": 1_000_000}, read


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    """An index of packages with one of them, at the address that the test bed has for this machine."""
    project = tmp_path / "index" / "simple" / "fw-indexed"
    project.mkdir(parents=True)
    with zipfile.ZipFile(project / "fw_indexed-1.0-py3-none-any.whl", "w") as wheel:
        about = "fw_indexed-1.0.dist-info"
        wheel.writestr("fw_indexed.py", "ANSWER = 42\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: fw-indexed\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    handler = partial(_Quiet, directory=str(tmp_path / "index"))
    with ThreadingHTTPServer(("0.0.0.0", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://10.123.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


def test_requirements_come_from_the_index_that_is_set(framework, index, tmp_path):
    (tmp_path / "job.py").write_text("import fw_indexed\ndef main(): return fw_indexed.ANSWER\n")
    settings = {"PIP_INDEX_URL": index, "PIP_TRUSTED_HOST": "10.123.0.1"}
    words = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
    run = framework("run", "job.py:main", "--kind", "job", "--requirement", "fw-indexed==1.0", *words)
    assert run["status"].get("results") == {"return": 42}, run["status"]


# An interpreter that says it is an old one.
OLD = (
    "printf '#!/usr/bin/env python3\\nimport json\\nprint(json.dumps(dict(python=[3, 8, 1], packages={})))\\n'"
    " > /usr/bin/old && chmod +x /usr/bin/old"
)


@pytest.mark.timeout(400)
def test_an_image_is_built_looked_for_and_run(framework, tmp_path, monkeypatch):
    """Before it is built the doctor says so; with it, what the doctor sees is in the image."""
    if shutil.which("buildah") is None:
        pytest.skip("needs buildah (apt-get install buildah)")
    monkeypatch.setenv("FRAMEWORK_REGISTRY", "{}:{}".format(*REGISTRY))
    (tmp_path / "job.py").write_text("def main():\n return open('/made').read().strip()\n")
    mark = uuid.uuid4().hex
    words = ["--set", f"environment.base_image={BASE}"]
    words += ["--set", f"environment.commands={json.dumps([f'echo {mark} > /made', OLD])}"]

    def doctor(*more):
        return {each["subject"]: each for each in framework("doctor", "job.py:main", "--kind", "job", *words, *more)}

    found = doctor()
    assert not found["built image"]["ok"]
    assert "framework function build job.py:main" in found["built image"]["advice"]
    assert not found["image"]["ok"], "the cluster cannot pull it either"
    image = framework("function", "build", "job.py:main", *words)["image"]
    found = doctor("--set", "options.python=old")
    assert found["built image"]["ok"]
    assert found["image"]["message"] == f"{image} starts"
    assert found["python"]["message"] == "old in the image is 3.8.1, and the runner needs 3.10"
    run = framework("run", "job.py:main", "--kind", "job", *words)
    assert run["status"].get("results") == {"return": mark}, run["status"]
    assert run["spec"]["image"] == image
