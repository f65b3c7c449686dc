"""Limits of a run that has not begun, with nobody looking: whoever looks next ends it, and nothing stays behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIMIT = 3.0  # seconds
NOWHERE = "10.123.255.254:5000/nowhere:1"  # an address at which nobody answers: that may pass

WAITS = {
    "nodes": (["--request", "framework.test/none=1", "--pending-timeout", f"{LIMIT:g}s"], "Unschedulable"),
    "image": (["--image", NOWHERE, "--set", f"life.timeouts.image_pull={LIMIT:g}"], "ImagePull"),
}


@pytest.fixture
def cli(home, tmp_path):
    (tmp_path / "job.py").write_text("def main(): pass")
    program = Path(sys.executable).parent / "framework"

    def call(*words):
        env = {**os.environ, "FRAMEWORK_HOME": str(home)}
        return subprocess.run(
            [program, *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
        )

    return call


def _reached(kubectl, selector, waits):
    """Whether its pod waits for what it waits for, and its limit has passed."""
    (job,) = kubectl("get", "job", "-l", selector, "-o", "json")["items"]
    begun = time.mktime(time.strptime(job["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    said = kubectl("get", "pods", "-l", selector, "-o", "json")["items"]
    words = ("ErrImagePull", "ImagePullBackOff") if waits == "image" else ("Unschedulable",)
    return time.time() > begun + LIMIT + 2 and any(word in json.dumps(said) for word in words)


def _looked(cli, uid, look):
    """The run, after a command that looks; what `runs list` itself shows is no more than that."""
    cli(*(uid if word == "UID" else word for word in look))
    (found,) = json.loads(cli("runs", "list", "--json").stdout)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("waits", "look"),
    [
        ("nodes", ("runs", "list")),
        ("nodes", ("runs", "sync")),
        ("nodes", ("logs", "-f", "UID")),
        ("image", ("runs", "sync")),
    ],
    ids=lambda given: given if isinstance(given, str) else "-".join(given[:2]),
)
def test_whoever_looks_next_ends_what_has_waited_for_too_long(cli, kubectl, waits, look):
    words, cause = WAITS[waits]
    begun = cli("run", "job.py:main", "--kind", "job", "--detach", "--json", *words)
    assert begun.stdout, begun.stderr
    uid = json.loads(begun.stdout)["metadata"]["uid"]
    selector, deadline = f"framework/run={uid}", time.monotonic() + 200
    while not _reached(kubectl, selector, waits):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    while (found := _looked(cli, uid, look)["status"])["state"] == "pending":  # a cluster may be slow to answer
        assert time.monotonic() < deadline, found
    assert (found["state"], found["cause"]) == ("failed", cause), found
    while kubectl("get", "jobs", "-l", selector, "-o", "json")["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)
