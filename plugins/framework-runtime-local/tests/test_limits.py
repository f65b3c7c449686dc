"""Control groups of local runs, for real where this machine lets us make them."""

from __future__ import annotations

import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import pytest

from framework_run import cgroups, locks
from framework_runtime_local.spool import Spool

POOL = """
import multiprocessing
def hold(mebibytes):
    data = bytearray(mebibytes << 20)
    for place in range(0, len(data), 4096):
        data[place] = 1
    return len(data)
def main():
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(hold, 300).result()
"""


@pytest.fixture(autouse=True)
def _can():
    group = cgroups.create(f"probe-{os.getpid()}", {"memory": Fraction(2**26), "cpu": Fraction(1)})
    if group is None:
        pytest.skip("no control group can be made here")
    group.remove()


def folders(live) -> list[Path]:
    return [Path(folder) for folder in Spool(live.handle["spool"]).left_groups()]


def _emptied(made: list[Path]) -> None:
    """Wait until the groups have no process, or are gone."""
    deadline = time.monotonic() + 30
    while any(_processes(folder) for folder in made):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _processes(group: Path) -> str:
    try:
        return (group / "cgroup.procs").read_text()
    except OSError:
        return ""


def test_a_worker_that_is_killed_for_memory_is_out_of_memory_too(start, runtime):
    live = start(POOL, resources={"limits": {"memory": "160Mi"}})
    ran = live.finish()
    assert ran.cause == "OutOfMemory"
    assert "at its limit memory=160Mi: BrokenProcessPool" in ran.status["message"]
    made = folders(live)
    assert made
    _emptied(made)
    runtime.cleanup(live.handle)
    assert not any(folder.exists() for folder in made)


def test_the_memory_of_all_processes_is_counted_together(start):
    code = """
import os, time
def main():
    ready, hold = os.pipe(), os.pipe()
    for _ in range(4):
        if os.fork() == 0:
            os.close(hold[1])
            data = bytearray(60 << 20)
            for place in range(0, len(data), 4096):
                data[place] = 1
            os.write(ready[1], b"x")
            os.read(hold[0], 1)
            os._exit(0)
    for _ in range(4):
        os.read(ready[0], 1)
    for number in range(20):  # all hold theirs now, for the supervisor to see
        print(number)
        time.sleep(0.2)
"""
    ran = start(code, resources={"limits": {"memory": "2Gi"}}).finish()
    assert ran.state == "completed"
    assert ran.status["peak"]["memory"] > 4 * 60 * 2**20


def test_a_share_of_cpu_is_kept(start):
    code = """
import time
def main():
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < 3:
        pass
    return (time.process_time() - used) / (time.monotonic() - began)
"""
    ran = start(code, resources={"limits": {"cpu": "250m"}}).finish()
    assert ran.results["return"] < 0.5  # of a core: twice the limit, for what is counted at the edges


def test_the_groups_of_a_supervisor_that_was_killed_go_with_the_spool(start, runtime):
    live = start("import time\ndef main():\n print('ready')\n time.sleep(60)", resources={"limits": {"memory": "1Gi"}})
    live.printed("ready")
    made = folders(live)
    assert all(folder.exists() for folder in made)
    os.kill(locks.owner(str(Spool(live.handle["spool"]).lock))["pid"], signal.SIGKILL)
    assert live.finish().cause == "Lost"
    _emptied(made)
    runtime.cleanup(live.handle)
    assert not any(folder.exists() for folder in made)
