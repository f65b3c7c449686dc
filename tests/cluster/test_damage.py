"""Logs that are damaged on their node: what they lack or have too much of is no record, and the end says why.

Of the test bed's nodes, the logs are files of this machine.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from framework_run.digest import is_digest
from framework_run.frames import Decoder, encode

CODE = """
import framework as fw

def main():
    for number in range(300):
        fw.context().log_result(f"r{number}", number)
    return "done"
"""
_SAID = b" stdout F "  # before each line, behind its time


def _file_of(pod):
    home = Path(os.environ.get("TESTBED_HOME") or Path.home() / ".cache/framework-testbed")
    folders = home / "clusters" / os.environ["TESTBED_CLUSTER"]
    (path,) = folders.glob(f"*/pod-logs/*_{pod['metadata']['name']}_*/run/0.log")
    return path


@pytest.fixture
def damaged(start, pod_of):
    """A run that is over and was not read, when something was done to the frames of its digest: all that is left."""

    def make(damage):
        live = start(CODE, detached=True)
        deadline = time.monotonic() + 60
        while (pod := pod_of(live))["status"]["phase"] != "Succeeded":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        path = _file_of(pod)
        lines = path.read_bytes().splitlines(keepends=True)
        decoder = Decoder(live.handle["token"])
        found = decoder.feed(b"".join(line.partition(_SAID)[2] for line in lines))
        (digest,) = [item for item in found if isinstance(item, dict) and is_digest(item)]
        frames = damage(digest, live.handle["token"])
        stamp = lines[-1].partition(_SAID)[0]
        text = b"".join(frames).split(b"\n")[:-1]
        path.write_bytes(b"".join(stamp + _SAID + line + b"\n" for line in text))
        return live

    return make


def _whole(digest, token):
    return encode(digest, token)


def _cut(digest, token):
    return encode(digest, token)[:-1]


def _changed(digest, token):
    return encode({**digest, "events": [*digest["events"][:-2], digest["events"][-1]]}, token)


def test_the_digest_alone_is_the_whole_run(damaged):
    ran = damaged(_whole).finish()
    assert ran.state == "completed", ran
    assert ran.results == {**{f"r{number}": number for number in range(300)}, "return": "done"}


@pytest.mark.parametrize(("damage", "said"), [(_cut, "its log was gone"), (_changed, "its runner wrote sha256:")])
def test_a_digest_that_is_not_the_one_that_was_written_is_no_record(damaged, damage, said):
    ran = damaged(damage).finish()
    assert (ran.state, ran.cause) == ("failed", "Lost"), ran
    assert ran.status["message"].startswith("it completed, and what it gave is not known: ")
    assert said in ran.status["message"]
    assert ran.results == {}
