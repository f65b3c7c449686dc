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
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(400)  # several processes and pods, one after another, on a machine that is busy

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
            timeout=180,
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

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=600")  # pip keeps what it is told that it may keep
        super().end_headers()


def _wheel(folder, project, **files):
    """A wheel of a project with these files."""
    name = project.replace("-", "_")
    (folder / project).mkdir(parents=True)
    with zipfile.ZipFile(folder / project / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        about = f"{name}-1.0.dist-info"
        for path, content in files.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100755 << 16  # a file, and scripts may be run
            wheel.writestr(member, content)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def packages(tmp_path):
    """The folder of an index with one package."""
    folder = tmp_path / "index" / "simple"
    _wheel(folder, "fw-indexed", **{"fw_indexed.py": "ANSWER = 42\n"})
    return folder


@pytest.fixture
def index(packages):
    """That index, at the address that the test bed has for this machine."""
    handler = partial(_Quiet, directory=str(packages.parent))
    with ThreadingHTTPServer(("0.0.0.0", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://10.123.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(claim, tmp_path):
    """A claim for what installers keep; its name."""
    return claim(tmp_path / "cache")


@pytest.fixture
def settings(home, cache, index):
    """Write into the configuration which index pods use, and that what is installed is kept on the claim."""

    def write(**variables):
        lines = [f"{name} = {json.dumps(value)}" for name, value in variables.items()]
        volume = f'name = "cache"\nmount = "/cache"\nsource = "{cache}"'
        with (home / "config.toml").open("a") as file:
            file.write("\n".join(["[runtime.job.defaults.environment.env]", *lines]))
            file.write(f"\n[[runtime.job.defaults.storage.volumes]]\n{volume}\n")

    return write


# What is in the cache is the second result.
USES = """
import os
import fw_indexed

def main():
    return fw_indexed.ANSWER, sum(len(files) for _, _, files in os.walk("/cache"))
"""


def test_pip_has_its_index_and_its_cache_by_settings(framework, settings, index, tmp_path):
    (tmp_path / "job.py").write_text(USES)
    settings(PIP_INDEX_URL=index, PIP_TRUSTED_HOST="10.123.0.1", PIP_CACHE_DIR="/cache")
    run = framework("run", "job.py:main", "--kind", "job", "--requirement", "fw-indexed==1.0")
    assert run["status"]["state"] == "completed", run["status"]
    answer, kept = run["status"]["results"]["return"]
    assert answer == 42
    assert kept


@pytest.fixture
def with_uv(framework, index, packages, tmp_path, monkeypatch):
    """Words that make ``job.py`` run in an image with uv."""
    if shutil.which("buildah") is None:
        pytest.skip("needs buildah (apt-get install buildah)")
    uv = pytest.importorskip("uv").find_uv_bin()
    project = (
        f"fw-has-uv-{version('uv').replace('.', '-')}"  # the image is named by this, so another uv is another image
    )
    _wheel(packages, project, **{f"{project.replace('-', '_')}-1.0.data/scripts/uv": Path(uv).read_bytes()})
    registry = "{}:{}".format(*REGISTRY)
    variables = {"PIP_INDEX_URL": index, "PIP_TRUSTED_HOST": "10.123.0.1", "FRAMEWORK_REGISTRY": registry}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "job.py").write_text(USES)
    image = ["--set", f"environment.base_image={BASE}", "--set", f"environment.build_requirements=[{project}]"]
    framework("function", "build", "job.py:main", *image)
    return image


def test_uv_has_its_index_and_a_cache_that_runs_share(framework, settings, index, with_uv):
    """The second run has no index: what it takes is in the cache, or nowhere."""
    settings(UV_DEFAULT_INDEX=index, UV_CACHE_DIR="/cache", UV_LINK_MODE="copy")
    words = ["run", "job.py:main", "--kind", "job", "--requirement", "fw-indexed==1.0", *with_uv]
    for more in ([], ["--env", "UV_OFFLINE=1"]):
        run = framework(*words, *more)
        assert run["status"]["state"] == "completed", run["status"]
        answer, kept = run["status"]["results"]["return"]
        assert answer == 42
        assert kept


# An interpreter that says it is an old one.
OLD = (
    "printf '#!/usr/bin/env python3\\nimport json\\nprint(json.dumps(dict(python=[3, 8, 1], packages={})))\\n'"
    " > /usr/bin/old && chmod +x /usr/bin/old"
)


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
