"""What a handler starts does not outlive its run, and does not keep it open."""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework_run import peaks

Start = Callable[..., Any]

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal and adoption of orphans")


def test_a_grandchild_that_keeps_the_output_open_does_not_keep_the_run_open(
    either: Start, is_gone: Callable[[int], bool]
) -> None:
    source = """
        import subprocess
        def main():
            print(subprocess.Popen(['sleep', '60']).pid)
    """
    began = time.monotonic()
    run = either(source)
    assert run.end["state"] == "completed"
    assert time.monotonic() - began < 20
    assert is_gone(int(run.log()))
    assert "left behind" in run.log("system")


def test_the_last_words_of_a_grandchild_are_kept(launch: Start) -> None:
    # It speaks when the handler is gone ($$ is the handler's pid in the subshell too), however slow the machine is.
    run = launch({"command": ["sh", "-c", "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo early"]})
    assert run.end["state"] == "completed"
    assert run.log() == "early\nlate\n"


@linux
def test_a_daemon_in_a_session_of_its_own_is_found(either: Start, is_gone: Callable[[int], bool]) -> None:
    source = """
        import subprocess
        def main():
            daemon = "(setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $!)"
            print(subprocess.run(["sh", "-c", daemon], capture_output=True, text=True).stdout)
    """
    run = either(source)
    assert run.end["state"] == "completed"
    assert is_gone(int(run.log()))
    assert run.log("system").endswith("were killed: 1\n")


def test_an_abort_ends_the_grandchildren(either: Start, is_gone: Callable[[int], bool]) -> None:
    source = """
        import subprocess
        def main():
            child = subprocess.Popen(['sleep', '60'])
            print(child.pid, flush=True)
            child.wait()
    """
    run = either(source)
    run.says("\n")
    run.ask()
    assert run.end["state"] == "aborted"
    assert is_gone(int(run.log()))


@linux
def test_the_handler_dies_with_its_supervisor(either: Start, is_gone: Callable[[int], bool]) -> None:
    run = either("import time\ndef main():\n    print('working', flush=True)\n    time.sleep(60)\n")
    run.says("working")
    pid = run.handler
    assert not is_gone(pid)
    run.process.kill()
    assert run.status == -signal.SIGKILL
    run.until(lambda: is_gone(pid))
    assert run.of("end") == []


def test_the_handler_leads_a_session_and_has_no_descriptor_of_the_supervisor(either: Start) -> None:
    source = """
        import os
        def main():
            held = sorted(os.readlink(f"/dev/fd/{fd}").partition(":")[0] for fd in range(3, 64) if is_open(fd))
            print(os.getsid(0) == os.getpid(), held)
        def is_open(fd):
            try:
                os.fstat(fd)
            except OSError:
                return False
            return True
    """
    run = either(source)
    assert run.end["state"] == "completed"
    assert run.log() == "True ['pipe']\n"  # the channel


def test_signals_are_those_of_a_program_that_was_just_started(launch: Start) -> None:
    # A process that ignores SIGPIPE would say "Broken pipe" here.
    run = launch({"command": ["sh", "-c", "yes | head -n 1; trap"]})
    assert run.end["state"] == "completed"
    assert (run.log(), run.log("stderr")) == ("y\n", "")


def test_memory_and_time_of_the_handler_and_its_children_are_told(script: Start) -> None:
    source = """
        import subprocess, sys
        block = bytearray(80_000_000)
        subprocess.run([sys.executable, "-c", "x = bytearray(150_000_000)\\nfor _ in range(10**6): pass"])
    """
    peak = script(source).end["peak"]
    assert 150e6 < peak["memory"] < 300e6
    assert 0.01 < peak["cpu"] < 20


def test_the_peak_is_not_inherited_from_who_started_the_run(either: Start) -> None:
    block = bytearray(200_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > len(block)
    assert either("def main(): pass").end["peak"]["memory"] < 100e6


@pytest.fixture
def memory_group() -> Any:
    """A control group of 60 MB, as a container would have one."""
    root = next((Path(folder) for folder in peaks._groups("memory") if Path(folder, "cgroup.procs").exists()), None)
    if root is None:
        pytest.skip("there is no control group for memory")
    group = root / "framework-test"
    try:
        group.mkdir()
        limit = group / "memory.max" if (group / "memory.max").exists() else group / "memory.limit_in_bytes"
        limit.write_text("60000000")
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    yield group
    group.rmdir()


def test_the_killer_of_a_control_group_is_out_of_memory(either: Start, memory_group: Path) -> None:
    source = """
        def main():
            block = bytearray(400_000_000)
            for place in range(0, len(block), 4096):
                block[place] = 1
    """
    join = memory_group / "cgroup.procs"
    run = either(source, popen={"preexec_fn": lambda: join.write_text("0")}, resources={"limits": {"memory": "60M"}})
    end = run.end
    assert (end["state"], end["cause"], end["signal"]) == ("failed", "OutOfMemory", 9)
    assert end["message"] == "the kernel killed it for want of memory (signal 9, SIGKILL)"
    assert run.log("system") == ""  # the limit is enforced


def test_a_limit_that_nothing_enforces_is_said(script: Start) -> None:
    if peaks.limited("memory") or peaks.limited("cpu"):
        pytest.skip("this process is in a control group with limits")
    run = script("pass", resources={"limits": {"memory": "1Gi", "cpu": "2", "gpu": 1}})
    assert run.end["state"] == "completed"
    expected = "Nothing enforces the limit memory=1Gi, cpu=2 here: this process has no control group that does.\n"
    assert run.log("system") == expected
