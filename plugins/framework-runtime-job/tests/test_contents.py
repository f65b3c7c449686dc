"""What a pod makes comes back, and what it needs comes to it: on a real cluster, by the command line."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
