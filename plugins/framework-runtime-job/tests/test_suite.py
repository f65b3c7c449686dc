"""The kind ``job`` passes the conformance suite, on a real cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from framework.plugins.manager import Plugins
from framework.runtimes import RuntimeContext
from framework.settings import runtime_table
from framework.testing.runtimes import RuntimeSuite

_CONFIG = """
[runtime.job]
image = "{image}"

[runtime.job.defaults.resources.requests]
cpu = "50m"
memory = "32Mi"
"""


@pytest.mark.cluster
class TestJob(RuntimeSuite):
    kind = "job"

    @pytest.fixture
    def home(self, tmp_path):
        path = tmp_path / "home"
        path.mkdir()
        image = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")
        (path / "config.toml").write_text(_CONFIG.format(image=image))
        return path

    @pytest.fixture
    def runtime(self, home):
        return Plugins().runtime(self.kind, RuntimeContext(home=str(home), settings=runtime_table(self.kind, home)))

    def pid_here(self, live, number):
        """On this machine, where the test bed's nodes are: the number that the run knows is its container's."""
        return next(pid for pid in _processes(live.submission.uid) if _numbers(pid)[-1:] == [number])


def _processes(uid):
    """The processes of this machine in the containers of a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            environ = (path.parent / "environ").read_bytes()
        except OSError:
            continue
        if f"FRAMEWORK_RUN_UID={uid}".encode() in environ:
            found.append(int(path.parent.name))
    return found


def _numbers(pid):
    """The pids of a process in each of its namespaces, the outermost first: NSpid of proc(5)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return []
    return [int(word) for line in lines if line.startswith("NSpid:") for word in line.split()[1:]]
