"""Tests on a real cluster: inside `testbed exec`, or with KUBECONFIG and TESTBED_CLUSTER set; skipped elsewhere.

Those that break something ask for the fixture ``fault``: the test bed's own command, $TESTBED or beside the project.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from functools import partial
from pathlib import Path

import pytest

from framework.engine.defaults import under
from framework.runtimes import RuntimeContext
from framework.settings import runtime_table
from framework.testing.running import Live, submission

CONFIG = """
[runtime.job]
image = "{image}"

[runtime.job.defaults.resources.requests]
cpu = "20m"
memory = "24Mi"
"""


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    skip = pytest.mark.skip(reason="no cluster: run inside `testbed exec`, or set KUBECONFIG and TESTBED_CLUSTER")
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.cluster)
            if not os.environ.get("TESTBED_CLUSTER"):
                item.add_marker(skip)


@pytest.fixture
def home(tmp_path):
    """A FRAMEWORK_HOME whose jobs ask for little."""
    path = tmp_path / "home"
    path.mkdir()
    image = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")
    (path / "config.toml").write_text(CONFIG.format(image=image))
    return path


@pytest.fixture
def runtime(home):
    from framework.plugins.manager import Plugins

    return Plugins().runtime("job", RuntimeContext(home=str(home), settings=runtime_table("job", home)))


@pytest.fixture
def start(runtime):
    """Submits code; ``change`` may change the Function's spec first. What is left at the end is removed."""
    started = []

    def begin(code, change=None, *, detached=False, **over):
        secrets = over.pop("secrets", {})
        planned = submission("job", code, **over)
        planned.document["secrets"] = secrets
        planned.detached = detached
        if change is not None:
            change(planned.function.spec)
        planned.function = under(runtime.defaults, planned.function)
        runtime.validate(planned.function)
        live = Live(runtime, planned, runtime.submit(planned))
        started.append(live)
        return live

    yield begin
    for live in started:
        runtime.cleanup(live.handle)


@pytest.fixture
def kubectl():
    """Calls kubectl, and reads its JSON where it is asked for."""

    def call(*words, stdin=None):
        ended = subprocess.run(
            ["kubectl", *words], input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout) if "json" in words else ended.stdout

    return call


@pytest.fixture
def pod_of(kubectl):
    """The pod of a run, once it is there."""

    def find(live):
        selector = f"framework/run={live.submission.uid}"
        (found,) = kubectl("get", "pods", "-l", selector, "-o", "json")["items"]
        return found

    return find


@pytest.fixture
def team(kubectl):
    """A namespace of its own."""
    name = f"team-{time.time_ns() % 10**9}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def claim(kubectl):
    """Makes a claim of a folder of this machine, which is the node; its name. Many pods may have it at once."""
    made = []

    def call(path):
        name = f"claim-{uuid.uuid4().hex[:8]}"
        size, of_both = {"storage": "1Gi"}, {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        place = {"type": "DirectoryOrCreate", "path": str(path)}
        own = {"hostPath": place, "capacity": size, "claimRef": {"namespace": "default", "name": name}}
        items = [
            {"kind": "PersistentVolume", "spec": {**of_both, **own}},
            {"kind": "PersistentVolumeClaim", "spec": {**of_both, "volumeName": name, "resources": {"requests": size}}},
        ]
        items = [{**each, "apiVersion": "v1", "metadata": {"name": name}} for each in items]
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        made.append(name)
        return name

    yield call
    for name in made:
        kubectl("delete", "pvc,pv", name, "--wait=false")


@pytest.fixture
def second_node():
    """The name of a node that nothing else is on."""
    node = os.environ.get("FRAMEWORK_TEST_SECOND_NODE")
    if not node:
        pytest.skip("it needs a node of its own: set FRAMEWORK_TEST_SECOND_NODE to the name of an added one")
    return node


@pytest.fixture
def second(start, second_node):
    """Starts what waits on a node that nothing else is on, and gives it with the node's name."""

    def there(spec):
        spec.placement.node_selector["kubernetes.io/hostname"] = second_node
        spec.placement.tolerations.append({"key": "framework/tests", "operator": "Exists"})

    live = start("import time\ndef main():\n print('ready')\n time.sleep(600)", there)
    live._deadline = time.monotonic() + 250
    live.printed("ready")
    return live, second_node


@pytest.fixture
def slot(kubectl):
    """A resource of which the node has one, as of an accelerator; its name."""
    name = f"framework.test/slot-{time.time_ns() % 10**6}"
    (node, *_) = kubectl("get", "nodes", "-o", "json")["items"]
    path = f"/status/capacity/{name.replace('/', '~1')}"
    words = ("patch", "node", node["metadata"]["name"], "--subresource=status", "--type=json", "-p")
    kubectl(*words, json.dumps([{"op": "add", "path": path, "value": "1"}]))
    yield name
    kubectl(*words, json.dumps([{"op": "remove", "path": path}]))


@pytest.fixture
def urgent(kubectl, slot):
    """Starts a pod that is more important than all that have the slot, and takes it for a moment."""
    name = f"urgent-{time.time_ns() % 10**6}"
    resources = {"limits": {slot: "1", "cpu": "10m", "memory": "8Mi"}}
    container = {"name": "main", "image": "python:3.11-slim", "command": ["true"], "resources": resources}
    spec = {"priorityClassName": name, "restartPolicy": "Never", "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl("create", "priorityclass", name, "--value=1000")
    yield lambda: kubectl("create", "-f", "-", stdin=json.dumps(pod))
    kubectl("delete", "pod", name, "--ignore-not-found", "--wait=false")
    kubectl("delete", "priorityclass", name)


@pytest.fixture
def until():
    """Waits for a condition, and gives what it gave."""

    def call(condition, seconds=100):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"it did not come within {seconds} s"
            time.sleep(0.3)
        return found

    return call


@pytest.fixture
def testbed():
    """Calls the test bed's command."""
    program = Path(os.environ.get("TESTBED") or Path(__file__).parents[2].parent / "shared/testbed/testbed")
    if not program.exists():
        pytest.skip("the test bed is not beside the project: set TESTBED to its command")

    def call(*words):
        ended = subprocess.run([program, *words], capture_output=True, text=True, timeout=100, check=False)
        assert ended.returncode == 0, ended.stderr

    return call


@pytest.fixture
def fault(testbed):
    """The test bed's command for faults."""
    return partial(testbed, "fault")
