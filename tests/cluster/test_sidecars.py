"""Containers beside the run's own, by a patch: the run ends when its own container does, and as it does."""

from __future__ import annotations

import os
import time

import pytest

IMAGE = os.environ.get("FRAMEWORK_TEST_IMAGE", "python:3.11-slim")
ENDLESS = "import time\nwhile True: time.sleep(1)"  # as a first process it does not answer SIGTERM


def _beside(code, **more):
    """A container that runs this code."""
    return {"name": "beside", "image": IMAGE, "command": ["python3", "-c", code], **more}


def _as_container(code):
    return {"containers": [_beside(code)]}


def _as_sidecar(code):
    """A native one: it begins before the run's container, and Kubernetes ends it afterwards."""
    return {"initContainers": [_beside(code, restartPolicy="Always")]}


BESIDE = {
    "ends": _as_container("print('beside')"),
    "fails": _as_container("raise SystemExit(3)"),
    "never-ends": _as_container(ENDLESS),
    "native-ends": _as_sidecar("print('beside')"),
    "native-never-ends": _as_sidecar(ENDLESS),
}


@pytest.fixture(params=BESIDE, ids=list(BESIDE))
def beside(request):
    """A change that puts a container beside the run's own."""

    def change(spec):
        spec.options["patch"] = {"spec": {"template": {"spec": BESIDE[request.param]}}}

    return change


def _has_begun(live, kubectl):
    """Whether the container beside it runs or has run."""
    (pod,) = kubectl("get", "pods", "-l", f"framework/run={live.submission.uid}", "-o", "json")["items"]
    status = [*pod["status"].get("containerStatuses", []), *pod["status"].get("initContainerStatuses", [])]
    return any(not {"running", "terminated"}.isdisjoint(each["state"]) for each in status if each["name"] == "beside")


CODE = """
import time

def main(name):
    print("ready")
    if name == "fails":
        raise ValueError("its own")
    time.sleep(1)
    return name
"""


@pytest.mark.parametrize(("name", "state", "cause"), [("works", "completed", None), ("fails", "failed", "UserError")])
def test_the_run_ends_as_its_own_container_does(start, beside, name, state, cause):
    live = start(CODE, beside, params={"name": name})
    ran = live.finish()
    assert (ran.state, ran.cause) == (state, cause), ran
    assert ran.log() == b"ready\n"
    if name == "works":
        assert ran.results == {"return": name}


def test_it_is_aborted_with_a_container_beside_it(start, beside, kubectl):
    live = start("import time\ndef main():\n print('ready')\n time.sleep(600)", beside)
    live.printed("ready")
    deadline = time.monotonic() + 30
    while not _has_begun(live, kubectl):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    live.runtime.cancel(live.handle, 5)
    ran = live.finish()
    assert (ran.state, ran.cause) == ("aborted", "Aborted"), ran


@pytest.mark.parametrize("beside", ["fails", "native-never-ends"], indirect=True)
def test_it_is_out_of_memory_and_not_what_is_beside_it(start, beside):
    code = "def main():\n print('begun')\n blocks = []\n while True: blocks.append(bytearray(1 << 20))"

    def change(spec):
        beside(spec)
        spec.resources.limits["memory"] = "96Mi"

    ran = start(code, change).finish()
    assert (ran.state, ran.cause) == ("failed", "OutOfMemory"), ran
