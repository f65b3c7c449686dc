"""A node that is short of memory: its kubelet takes the pod away, and says so.

The kubelet of the test bed's second node is started again with a threshold that is always passed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest


def _processes():
    """What the test bed notes of the components that it has started: their process ids, by name."""
    home = Path(os.environ.get("TESTBED_HOME") or Path.home() / ".cache/framework-testbed")
    state = json.loads((home / "clusters" / os.environ["TESTBED_CLUSTER"] / "state.json").read_text())
    return {name: process["pid"] for name, process in state["processes"].items()}


def _with_threshold(command, folder):
    """A kubelet's command line, with another configuration."""
    (given,) = [word for word in command if word.startswith("--config=")]
    config = json.loads(Path(given.removeprefix("--config=")).read_text())
    config["evictionHard"]["memory.available"] = "99%"
    path = folder / "kubelet.json"
    path.write_text(json.dumps(config))
    return [f"--config={path}" if word == given else word for word in command]


def _is_calm(node):
    """Whether a node is ready, has memory, and takes pods again."""
    conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
    taints = [taint["key"] for taint in node["spec"].get("taints", [])]
    ready = (conditions["Ready"], conditions["MemoryPressure"]) == ("True", "False")
    return ready and not any(key.startswith("node.kubernetes.io/") for key in taints)


@pytest.fixture
def press(second, tmp_path, testbed, kubectl):
    """Lets the second node's kubelet find that it is short of memory; afterwards it is as it was."""
    _, node = second
    started = []

    def begin():
        found = _processes()
        kubelet, inside = found[f"{node}/kubelet"], found[f"{node}/init"]
        command = Path(f"/proc/{kubelet}/cmdline").read_text().rstrip("\0").split("\0")
        path = Path(f"/proc/{kubelet}/exe").readlink().with_name(command[0])
        words = _with_threshold([str(path), *command[1:]], tmp_path)
        os.kill(kubelet, signal.SIGKILL)
        with (tmp_path / "kubelet.log").open("wb") as log:
            enter = ["nsenter", f"--target={inside}", "--net", "--mount", "--pid", "--", *words]
            started.append(subprocess.Popen(enter, stdout=log, stderr=log, start_new_session=True))

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    testbed("up")
    deadline = time.monotonic() + 60
    while not _is_calm(kubectl("get", "node", node, "-o", "json")):
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.xdist_group("second-node")
@pytest.mark.timeout(300)
def test_a_node_that_is_short_of_memory(second, press):
    live, _ = second
    press()
    ran = live.finish()
    assert (ran.state, ran.cause) == ("failed", "Evicted"), ran
    assert "The node was low on resource: memory" in ran.status["message"]
    assert ran.log() == b"ready\n"
