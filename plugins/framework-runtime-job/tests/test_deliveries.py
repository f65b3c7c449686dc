"""What a map sends after itself: to each pod that waits, once; not where nobody stays to do it."""

from __future__ import annotations

import threading
import time

import pytest

from framework.errors import BackendError, UsageError
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_runtime_job import deliveries
from framework_runtime_job.deliveries import Deliveries
from framework_runtime_job.pods import RECEIVER
from framework_runtime_job.runtime import JobRuntime


def _pod(number, state="running"):
    waiting = {"name": RECEIVER, "state": {state: {}}}
    return {"metadata": {"name": f"p{number}"}, "status": {"initContainerStatuses": [waiting]}}


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """The names of the pods that something was sent to; the first time it fails for p1."""
    (tmp_path / "parcel").touch()
    names, together, most = [], [], []

    def deliver(_api, _handle, pod, path):
        assert path == tmp_path / "parcel"
        together.append(pod)
        most.append(len(together))
        time.sleep(0.001)
        together.remove(pod)
        names.append(pod["metadata"]["name"])
        if names.count("p1") == 1 and names[-1] == "p1":
            raise BackendError("the connection broke")

    monkeypatch.setattr(deliveries, "deliver", deliver)
    yield names
    assert max(most, default=0) <= 4


def test_each_pod_that_waits_gets_it_once(tmp_path, sent):
    made = Deliveries(None, {"parcel": {}}, tmp_path / "parcel")
    for _ in range(3):
        for number in range(9):
            made.send(_pod(number, "terminated" if number == 8 else "running"), wait=False)
    assert sorted(sent) == ["p0", "p1", "p1", *(f"p{n}" for n in range(2, 8))]


def test_some_get_it_at_once_while_the_follower_goes_on(tmp_path, sent):
    made = Deliveries(None, {"parcel": {}}, tmp_path / "parcel")
    before = set(threading.enumerate())
    deadline = time.monotonic() + 60
    while len(sent) < 41:
        assert time.monotonic() < deadline
        for number in range(40):
            made.send(_pod(number), wait=True)
    while made._threads:
        assert time.monotonic() < deadline
    made.close()
    assert sorted(set(sent)) == sorted(f"p{n}" for n in range(40))
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize(("handle", "name"), [({}, "parcel"), ({"parcel": {}}, "not here")])
def test_what_is_not_here_is_sent_by_nobody(tmp_path, sent, handle, name):
    Deliveries(None, handle, tmp_path / name).send(_pod(0), wait=False)
    assert sent == []


def test_a_map_that_nobody_stays_with_sends_nothing_after_itself(tmp_path):
    (tmp_path / "table.csv").write_text("a,b")
    runtime = JobRuntime(RuntimeContext(home=str(tmp_path), settings={"image": "python:3.11-slim"}))
    planned = submission("job", "def main(): pass", inputs={"table": {"path": str(tmp_path / "table.csv")}})
    planned.document["record"]["spec"]["parent"] = "0198f2f0-1111-7222-8333-444455556666"
    planned.detached = True
    with pytest.raises(UsageError, match=r"the input 'table' \(.*table.csv\) would be sent") as caught:
        runtime.map([planned], 0)
    assert "--detach" in caught.value.advice
