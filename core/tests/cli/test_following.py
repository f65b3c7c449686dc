"""``framework logs -f`` and ``runs watch``: real runs, looked at by a command of its own, from another folder."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # many processes, one after another
PROGRAM = str(Path(sys.executable).parent / "framework")
PATIENCE = 60.0  # seconds; far beyond what anything here takes
SOURCE = """
import pathlib
import sys
import time

import framework as fw


def steps(gate: str, count: int = 3):
    for number in range(count):
        print("step", number, flush=True)
        while not pathlib.Path(f"{gate}{number}").exists():
            time.sleep(0.01)
    print("done", end="", flush=True)


def again():
    print("attempt", fw.context().attempt, flush=True)
    if fw.context().attempt < 3:
        raise ValueError("not yet")
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Start a run of a function apart; returns its uid."""
    monkeypatch.delenv("FRAMEWORK_PLUGINS", raising=False)
    (tmp_path / "work.py").write_text(SOURCE)

    def start(*words: str) -> str:
        command = [PROGRAM, "run", *words, "--detach"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    return start


@pytest.fixture
def follow(tmp_path: Path, runs: object) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in another folder, with its output in the files out and err."""
    (tmp_path / "elsewhere").mkdir()
    started = []

    def call(*words: str) -> subprocess.Popen[str]:
        out, err = (tmp_path / "out").open("wb"), (tmp_path / "err").open("wb")
        with out, err:
            process = subprocess.Popen([PROGRAM, *words], cwd=tmp_path / "elsewhere", stdout=out, stderr=err, text=True)
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def open_gates(tmp_path: Path, name: str, *numbers: int) -> None:
    for number in numbers:
        (tmp_path / f"{name}{number}").touch()


def test_a_run_is_printed_as_it_goes_and_again_by_who_comes_later(tmp_path, runs, follow):
    uid = runs("work.py:steps", "-p", f"gate={tmp_path}/a")
    process = follow("logs", "-f", uid)
    until(lambda: "step 0\n" in (tmp_path / "out").read_text())
    open_gates(tmp_path, "a", 0)
    until(lambda: "step 1\n" in (tmp_path / "out").read_text())
    assert process.poll() is None
    process.kill()  # who looks is killed; the run goes on, and is found where it is
    open_gates(tmp_path, "a", 1, 2)
    process = follow("logs", "-f", uid)
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "out").read_text() == "step 0\nstep 1\nstep 2\ndone"


def test_several_runs_have_their_names_before_each_line(tmp_path, runs, follow):
    first = runs("work.py:steps", "-p", f"gate={tmp_path}/a", "--count", "1", "--name", "first")
    second = runs("work.py:steps", "-p", f"gate={tmp_path}/b", "--count", "1", "--name", "the-second")
    process = follow("logs", "-f", first, second)
    until(lambda: (tmp_path / "out").read_text().count("step 0") == 2)
    open_gates(tmp_path, "b", 0)
    open_gates(tmp_path, "a", 0)
    assert process.wait(PATIENCE) == 0
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == 4
    for name in ("first ", "the-second "):
        own = [line.partition(" | ")[2] for line in lines if line.startswith(name)]
        assert own == ["step 0", "done"]
    assert (tmp_path / "err").read_text().count(": completed") == 2


def test_attempts_follow_one_another(tmp_path, runs, follow):
    words = ["--set", 'spec.life.retry={attempts: 3, backoff: 0.05, "on": [UserError]}']
    uid = runs("work.py:again", *words)
    process = follow("logs", "-f", uid)
    assert process.wait(PATIENCE) == 0
    printed = (tmp_path / "out").read_text()
    assert "attempt 3\n" in printed
    shown = subprocess.run([PROGRAM, "runs", "show", uid], capture_output=True, text=True, check=True).stdout
    assert "completed" in shown


def test_a_run_that_waits_for_its_next_attempt_says_until_when(tmp_path, runs, follow):
    uid = runs(
        "work.py:again", "--set", 'spec.life.retry={attempts: 2, backoff: 3600, backoff_cap: 3600, "on": [UserError]}'
    )
    process = follow("logs", "-f", uid)
    until(lambda: "; the next is due at " in (tmp_path / "err").read_text())
    subprocess.run([PROGRAM, "abort", uid], capture_output=True, check=True)
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "err").read_text().count("attempt 1 of 2 failed (UserError: ValueError: not yet)") == 1


def test_an_interrupt_leaves_the_run_alone_and_says_so(tmp_path, runs, follow):
    uid = runs("work.py:steps", "-p", f"gate={tmp_path}/a")
    process = follow("logs", "-f", uid)
    until(lambda: "step 0\n" in (tmp_path / "out").read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    said = (tmp_path / "err").read_text()
    assert "The run goes on." in said
    assert f"framework logs -f {uid}" in said
    open_gates(tmp_path, "a", 0, 1, 2)
    process = follow("logs", "-f", uid)
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "out").read_text().endswith("done")


def test_a_run_that_is_killed_ends_the_following(tmp_path, runs, follow):
    uid = runs("work.py:steps", "-p", f"gate={tmp_path}/a")
    process = follow("logs", "-f", uid)
    until(lambda: "step 0\n" in (tmp_path / "out").read_text())
    from framework_run import locks

    owner = locks.owner(str(Path(os.environ["FRAMEWORK_HOME"]) / "runs" / uid / "lock"))
    os.kill(owner["pid"], signal.SIGKILL)
    assert process.wait(PATIENCE) == 0
    shown = subprocess.run([PROGRAM, "runs", "show", uid], capture_output=True, text=True, check=True).stdout
    assert "failed: Lost" in shown


def test_one_of_several_that_is_not_there_is_named(tmp_path, runs, follow):
    process = follow("logs", "-f", "no-such-run")
    assert process.wait(PATIENCE) == 2
    assert "no-such-run" in (tmp_path / "err").read_text()


def test_watching_says_each_change_where_nobody_looks(tmp_path, runs, follow):
    first = runs("work.py:steps", "-p", f"gate={tmp_path}/a", "--count", "1", "--name", "first")
    process = follow("runs", "watch")
    until(lambda: "first  running" in (tmp_path / "out").read_text())
    second = runs("work.py:steps", "-p", f"gate={tmp_path}/b", "--count", "1", "--name", "second")
    until(lambda: "second  running" in (tmp_path / "out").read_text())
    open_gates(tmp_path, "a", 0)
    until(lambda: "first  completed" in (tmp_path / "out").read_text())
    assert process.poll() is None
    open_gates(tmp_path, "b", 0)
    assert process.wait(PATIENCE) == 0
    lines = (tmp_path / "out").read_text().splitlines()
    assert sum(first in line for line in lines) == len([line for line in lines if "  first  " in line])
    assert [line for line in lines if second in line and "completed" in line]
    assert len(lines) <= 6


def test_watching_with_json_waits_and_writes_one_document(tmp_path, runs, follow):
    uid = runs("work.py:steps", "-p", f"gate={tmp_path}/a", "--count", "1")
    process = follow("runs", "watch", uid, "--json")
    open_gates(tmp_path, "a", 0)
    assert process.wait(PATIENCE) == 0
    assert [run["status"]["state"] for run in json.loads((tmp_path / "out").read_text())] == ["completed"]


def test_watching_a_run_that_fails_is_an_exit_status(runs, follow):
    uid = runs("work.py:again")
    assert follow("runs", "watch", uid).wait(PATIENCE) == 1
    assert follow("runs", "watch").wait(PATIENCE) == 0


def test_nothing_to_watch_is_said(tmp_path, runs, follow):
    assert follow("runs", "watch").wait(PATIENCE) == 0
    assert "Nothing is running." in (tmp_path / "err").read_text()


def test_an_interrupt_ends_the_watching_only(tmp_path, runs, follow):
    uid = runs("work.py:steps", "-p", f"gate={tmp_path}/a", "--count", "1")
    process = follow("runs", "watch", uid)
    until(lambda: "running" in (tmp_path / "out").read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert "The run goes on." in (tmp_path / "err").read_text()
    open_gates(tmp_path, "a", 0)
    assert follow("runs", "watch", uid).wait(PATIENCE) == 0


def test_on_a_terminal_a_table_is_drawn_over_itself(tmp_path, runs):
    source = (
        SOURCE
        + """

def far(gate: str):
    fw.context().progress(42, 100, unit='rows')
    while not pathlib.Path(gate).exists():
        time.sleep(0.01)
    return 7
"""
    )
    (tmp_path / "far.py").write_text(source)
    uid = runs("far.py:far", "-p", f"gate={tmp_path}/gate")
    main, side = pty.openpty()
    process = subprocess.Popen([PROGRAM, "runs", "watch", uid], stdout=side, stderr=side, close_fds=True)
    os.close(side)
    seen = b""
    while True:
        try:
            piece = os.read(main, 65_536)
        except OSError:  # the other side is closed
            break
        seen += piece
        if b"42/100 rows" in seen:
            (tmp_path / "gate").touch()
        if not piece:
            break
    os.close(main)
    assert process.wait(PATIENCE) == 0
    text = seen.decode()
    assert "████░░░░░░" in text
    assert re.search(r"\x1b\[2A\r", text)
    assert "return=7" in text.rsplit("\x1b[2A", 1)[1]
