"""Inline runs: what is recorded of them, and what is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import framework as fw
from framework.engine import inline, live
from framework_run import locks


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DB", "STORAGE", "PROJECT", "PLUGINS"):
        monkeypatch.delenv(f"FRAMEWORK_{name}", raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))


@fw.function
def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("params", [{"number": "x"}, {"nmber": 1}, {}])
def test_parameters_that_do_not_bind_are_refused_and_nothing_is_recorded(params):
    assert double.run({"number": 2}).results == {"return": 4}
    with pytest.raises(fw.ParameterError, match=r"double\(number: '?int'?\)"):
        double.run(params)
    assert len(fw.runs()) == 1


def test_a_database_that_refuses_the_run_is_said_and_the_function_is_not_called(monkeypatch):
    called = []

    @fw.function
    def note(number: int) -> None:
        called.append(number)

    note.run({"number": 1})
    from framework.engine.session import current

    def refuse(*_arguments, **_options):
        raise fw.DatabaseError("the disk is full")

    monkeypatch.setattr(current().database, "create_run", refuse)
    for patience in (60.0, -1.0):  # also where that took so long that events would be sent
        monkeypatch.setattr(inline, "_SEND", patience)
        with pytest.raises(fw.DatabaseError, match="full"):
            note.run({"number": 2})
    assert called == [1]


def test_threads_that_begin_their_first_run_at_once_share_the_lock_of_the_process(monkeypatch, tmp_path):
    monkeypatch.setattr(live, "_held", {})
    hold, held, found = locks.hold, [], []

    def slowly(path):
        time.sleep(0.1)  # long enough for the others to come
        held.append(hold(path))
        return held[-1]

    monkeypatch.setattr(locks, "hold", slowly)
    threads = [threading.Thread(target=lambda: found.append(live.handle(tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(held[0])
    assert len(held) == 1
    assert found == [found[0]] * 6


def test_an_interrupt_is_recorded_as_aborted_and_goes_on_to_the_caller():
    @fw.function
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop.run()
    assert [run.state for run in fw.runs()] == ["aborted"]


def test_bars_that_an_inline_run_draws_are_its_progress():
    tqdm = pytest.importorskip("tqdm").tqdm

    @fw.function
    def draw() -> None:
        for _ in tqdm(range(2_000), desc="epoch", mininterval=0, miniters=1):
            pass

    run = draw.run()
    assert run.document["status"]["progress"]["done"] == 2_000
    (line,) = run.logs().splitlines()
    assert line.startswith("epoch: 100%|")


PARENT = """
import os, signal, sys, time
import framework as fw

@fw.function
def fork():
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        while True:
            time.sleep(60)
    os.waitpid(child, 0)

fork.run()
"""


def test_a_forked_child_that_lives_on_does_not_keep_its_parents_run_alive(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    child = int(parent.stdout.readline())
    try:
        assert [run.state for run in fw.runs()] == ["running"]
        parent.kill()
        parent.wait()
        (run,) = fw.runs()
        assert (run.state, run.cause) == ("failed", "Lost")
        os.kill(child, 0)  # it is there still
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


def test_limits_of_time_are_refused_because_nobody_could_keep_them():
    with pytest.raises(fw.CapabilityMissing, match="no limits of time") as caught:
        double.run({"number": 1}, timeouts={"run": 5})
    assert "inline=False" in caught.value.advice
    assert double.run({"number": 1}, timeouts={"run": 50}, inline=False).results == {"return": 2}
