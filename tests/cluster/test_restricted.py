"""A namespace that admits only pods without rights: what a run needs to say, and what it can do then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(sys.executable).parent / "framework"
GIVEN_UP = """
[runtime.job.defaults.placement.security_context]
runAsNonRoot = true
runAsUser = 4711
seccompProfile = {type = "RuntimeDefault"}
allowPrivilegeEscalation = false
capabilities = {drop = ["ALL"]}
readOnlyRootFilesystem = true

[[runtime.job.defaults.storage.volumes]]
name = "tmp"
mount = "/tmp"
type = "empty_dir"

[runtime.job.defaults.code]
workdir = "/tmp"
"""
CODE = """
import os, tempfile
import framework as fw
from beside import DOUBLE

def main(table, factor=1):
    try:
        open("/written", "w").close()
    except OSError as error:
        refused = error.strerror
    with open(table) as lines:
        total = sum(int(line) for line in lines) * factor * DOUBLE
    with open("model.txt", "w") as model, tempfile.TemporaryFile() as other:
        other.write(b"x")
        model.write(str(total))
    fw.context().log_artifact("model", "model.txt")
    return {"total": total, "user": os.getuid(), "refused": refused}
"""


@pytest.fixture
def restricted(kubectl, team):
    """A namespace with the strictest of the Pod Security Standards."""
    kubectl("label", "namespace", team, "pod-security.kubernetes.io/enforce=restricted")
    return team


@pytest.fixture
def framework(home, tmp_path):
    """Calls the tool; what it writes as JSON."""
    (tmp_path / "job.py").write_text(CODE)
    (tmp_path / "beside.py").write_text("DOUBLE = 2\n")
    (tmp_path / "table.txt").write_text("1\n2\n3\n")

    def call(*words):
        environment = {**os.environ, "FRAMEWORK_HOME": str(home)}
        ended = subprocess.run(
            [TOOL, *words], cwd=tmp_path, env=environment, capture_output=True, timeout=180, check=False
        )
        assert ended.stdout, ended.stderr
        return ended.stdout

    return call


WORDS = ("run", "job.py:main", "--kind", "job", "-i", "table=table.txt", "-p", "factor=3", "--json")


def test_code_inputs_and_an_artifact_with_no_rights_at_all(framework, restricted, home):
    with (home / "config.toml").open("a") as config:
        config.write(GIVEN_UP)
    status = json.loads(framework(*WORDS, "-o", f"namespace={restricted}"))["status"]
    assert status["state"] == "completed", status
    assert status["results"]["return"] == {"total": 36, "user": 4711, "refused": "Read-only file system"}
    assert Path(status["artifacts"]["model"]["uri"].removeprefix("file://")).read_text() == "36"


def test_the_refusal_names_what_to_set(framework, restricted):
    status = json.loads(framework(*WORDS, "-o", f"namespace={restricted}"))["status"]
    assert (status["state"], status["cause"]) == ("failed", "BadInput"), status
    for name in ("allowPrivilegeEscalation=false", "capabilities.drop", "runAsNonRoot=true", "seccompProfile.type"):
        assert name in status["message"]
    assert "spec.placement.security_context" in status["advice"]
