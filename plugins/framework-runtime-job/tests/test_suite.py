"""The kind ``job`` passes the conformance suite, on a real cluster."""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.cluster
class TestJob(RuntimeSuite):
    kind = "job"
    keeps_environments = False  # each pod has a folder of its own

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

    @pytest.fixture
    def tmp_path(self, tmp_path):
        """A folder that pods can read from, at the address that the test bed has for this machine."""
        handler = partial(_Quiet, directory=str(tmp_path))
        with ThreadingHTTPServer(("0.0.0.0", 0), handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            yield tmp_path
            server.shutdown()
            thread.join()

    def url_of(self, path):
        return f"http://10.123.0.1:{self.port}/{path.name}"

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
