"""One handler that serves one run after another: each has its own records, and its own death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from framework.testing.running import submission

CODE = """
import os, signal, sys, time

SEEN = []

def main(n, how=""):
    SEEN.append(n)
    print("number", n)
    if how == "system":
        os.system("echo from a process")
    if how == "raise":
        raise ValueError("the reason")
    if how == "exit":
        os._exit(3)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "leave":
        sys.exit(0)
    if how == "sleep":
        time.sleep(60)
    return [n, list(SEEN)]
"""
SERVE = "import sys; from framework_run.serving import serve; sys.exit(serve(sys.stdin.buffer, int(sys.argv[1])))"


class Served:
    def __init__(self, document):
        self.document = document
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(writer)], stdin=subprocess.PIPE, pass_fds=[writer]
        )
        os.close(writer)
        self.events = os.fdopen(reader, "rb")
        self.give(document)

    def give(self, document):
        self.process.stdin.write(json.dumps(document).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, n, how=""):
        run = {**self.document["run"], "uid": f"run-{n}"}
        self.give({"run": run, "params": {"n": n, "how": how}})

    def read(self):
        """The events of a run up to its end."""
        found = []
        while not found or found[-1]["kind"] != "end":
            line = self.events.readline()
            assert line, "it ended"
            found.append(json.loads(line))
        return found

    def run(self, n, how=""):
        self.start(n, how)
        return self.read()


@pytest.fixture
def served():
    made = []

    def make(**over):
        document = submission("local", CODE, **over).document
        made.append(Served({**document, "carrier": {"type": "lines"}}))
        return made[-1]

    yield make
    for each in made:
        each.process.stdin.close()
        assert each.process.wait(30) == 0
        each.events.close()


def end(events):
    data = events[-1]["data"]
    return data["state"], data["cause"]


def result(events):
    values = {}
    for event in events:
        if event["kind"] == "result":
            values.update(event["data"]["values"])
    return values.get("return")


def log(events):
    return "".join(event["data"]["text"] for event in events if event["kind"] == "log")


def test_that_a_run_has_begun_is_said_while_it_is_silent(served):
    server = served()
    server.run(0)
    server.start(1, "sleep")
    begun = json.loads(server.events.readline())
    assert (begun["run"], begun["kind"], begun["data"]["state"]) == ("run-1", "state", "running")
    os.kill(begun["data"]["pid"], signal.SIGKILL)
    assert end(server.read())[0] == "failed"


def test_runs_share_a_process_and_nothing_of_their_records(served):
    server = served()
    runs = [server.run(n, "system" if n == 1 else "") for n in range(4)]
    assert [end(events) for events in runs] == [("completed", None)] * 4
    assert [result(events) for events in runs] == [[n, list(range(n + 1))] for n in range(4)]
    assert log(runs[0]) == "number 0\n"
    assert sorted(log(runs[1]).splitlines()) == ["from a process", "number 1"]
    for n, events in enumerate(runs):
        assert {event["run"] for event in events} == {f"run-{n}"}
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["data"]["events"] == len(events)
        assert events[-1]["data"]["peak"]["memory"] > 1 << 20
    assert len({events[0]["data"]["pid"] for events in runs}) == 1


@pytest.mark.parametrize(
    ("how", "wanted", "said"),
    [
        ("raise", ("failed", "UserError"), "ValueError: the reason"),
        ("exit", ("failed", "UserError"), "exit code 3"),
        ("crash", ("failed", "UserError"), "SIGSEGV"),
        ("sleep", ("failed", "Timeout"), "its limit of 1 s"),
        ("leave", ("completed", None), "sys.exit(0)"),
    ],
)
def test_a_run_that_ends_otherwise_takes_no_other_with_it(served, how, wanted, said):
    server = served(timeouts={"run": 1.0, "grace": 5.0})
    events = server.run(1, how)
    assert end(events) == wanted
    assert said in events[-1]["data"]["message"]
    after = server.run(2)
    assert end(after) == ("completed", None)
    assert log(after) == "number 2\n"


def test_the_run_that_it_has_is_asked_to_end(served):
    server = served()
    server.start(1, "sleep")
    while json.loads(server.events.readline())["kind"] != "log":
        pass
    server.process.send_signal(signal.SIGTERM)
    assert end(server.read()) == ("aborted", "Aborted")
