"""What a handler has on a cluster: a client of its own, its own code, the folder that it was started in."""

from __future__ import annotations

import re
import time

import pytest

from framework.testing.running import RuntimeCase


class TestHandler(RuntimeCase):
    kind = "dask"

    @pytest.fixture
    def home(self, shared_home):
        return shared_home

    def test_what_it_submits_runs_on_the_workers(self, run):
        code = (
            "import os, framework as fw\n"
            "def main(context: fw.Context):\n"
            " client = context.dask_client\n"
            " assert client is fw.context().dask_client\n"
            " pids = client.gather([client.submit(os.getpid, pure=False) for _ in range(8)])\n"
            " return [len(set(pids)), os.getpid() in pids]"
        )
        ran = run(code)
        assert ran.state == "completed", ran
        assert ran.results["return"][0] >= 1
        assert ran.results["return"][1] is False

    @pytest.mark.slow
    def test_more_handlers_that_wait_for_tasks_than_there_are_places(self, start):
        code = "import framework as fw\ndef main(n): return fw.context().dask_client.submit(pow, n, 2).result()"
        started = [start(code, params={"n": n}) for n in range(10)]  # of eight places
        assert [live.finish().results.get("return") for live in started] == [n * n for n in range(10)]

    def test_another_name_is_no_attribute(self, run):
        ran = run("import framework as fw\ndef main(): return fw.context().cluster")
        assert ran.cause == "UserError"
        assert "no 'cluster'" in ran.status["message"]

    @pytest.mark.slow
    def test_tasks_have_the_users_own_code_and_print_into_the_log(self, run):
        code = (
            "import sys, framework as fw, neighbour\n"
            "class Thing:\n def __init__(self, n): self.n = n\n"
            "def work(thing, n):\n"
            " print('task', n); print('grumble', n, file=sys.stderr); print('rest', end='')\n"
            " return Thing(neighbour.double(thing.n))\n"
            "def main(context: fw.Context):\n"
            " done = context.dask_client.map(work, [Thing(n) for n in range(4)], range(4))\n"
            " things = context.dask_client.gather(done)\n"
            " return [thing.n for thing in things if isinstance(thing, Thing)]"
        )
        for factor in (2, 3):  # two versions of one module on one cluster
            ran = run(code, files={"neighbour.py": f"def double(n): return {factor} * n"})
            assert ran.state == "completed", ran
            assert ran.results["return"] == [factor * n for n in range(4)]
            lines = sorted(re.sub(rb"^worker-[01] ", b"worker-N ", line) for line in ran.log().splitlines())
            assert lines == sorted([b"worker-N | task %d" % n for n in range(4)] + [b"worker-N | rest"] * 4)
            assert ran.log("stderr").count(b"| grumble") == 4

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("end", "cause"),
        [("result()", "Aborted"), ("result()", "Timeout"), ("result(timeout=2)", "UserError"), ("cancel()", None)],
    )
    def test_a_task_that_nobody_wants_any_more_does_not_run_on(self, start, runtime, tmp_path, end, cause):
        beat = tmp_path / "beat"
        over = {"timeouts": {"run": 10, "grace": 0.5}} if cause == "Timeout" else {}
        live = start(BEATS.format(deaf="raise", end=end), params={"beat": str(beat)}, **over)
        pid = until(lambda: beat.exists() and beat.read_text())
        if cause == "Aborted":
            runtime.cancel(live.handle, 1.0)
        assert live.finish().cause == cause
        until(lambda: is_still(beat))
        assert int(pid) in {it["pid"] for it in runtime.workers(live.handle).values()}

    @pytest.mark.slow
    def test_one_that_is_deaf_ends_with_its_worker(self, start, runtime, tmp_path):
        beat = tmp_path / "beat"
        live = start(BEATS.format(deaf="pass", end="result(timeout=1)"), params={"beat": str(beat)})
        pid = int(until(lambda: beat.exists() and beat.read_text()))
        assert live.finish().cause == "UserError"
        handle = live.handle
        runtime.cleanup(handle)  # what a worker keeps of a run is not lost for that
        until(lambda: is_still(beat))
        pids = until(lambda: len(found := runtime.workers(handle)) == 2 and {it["pid"] for it in found.values()})
        assert pid not in pids

    @pytest.mark.slow
    def test_one_that_is_to_run_on_does(self, run, tmp_path):
        beat = tmp_path / "beat"
        code = (
            "import pathlib, time, framework as fw\nfrom distributed import fire_and_forget\n"
            "def work(beat):\n time.sleep(2)\n pathlib.Path(beat).write_text('done')\n"
            "def main(context: fw.Context, beat):\n fire_and_forget(context.dask_client.submit(work, beat))"
        )
        assert run(code, params={"beat": str(beat)}).state == "completed"
        assert not beat.exists()
        assert until(lambda: beat.exists() and beat.read_text()) == "done"


BEATS = """
import os, pathlib, time
import framework as fw

def work(beat):
    while True:
        try:
            pathlib.Path(beat).write_text(str(os.getpid()))
            time.sleep(0.02)
        except BaseException:
            {deaf}

def main(context: fw.Context, beat: str):
    future = context.dask_client.submit(work, beat)
    while not pathlib.Path(beat).exists():
        time.sleep(0.02)
    future.{end}
"""


def is_still(beat):
    """Whether nobody writes a file any more."""
    beat.unlink(missing_ok=True)
    time.sleep(0.3)
    return not beat.exists()


def until(holds):
    deadline = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
