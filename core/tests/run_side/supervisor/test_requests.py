"""Requests to end, limits of time, and heartbeats, while the user's code does what it likes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]

LOOP = "import time\ndef main():\n    print('working', flush=True)\n    while True:\n        time.sleep(0.01)\n"
STUBBORN = """
import signal, time
def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('working', flush=True)
    while True:
        time.sleep(0.01)
"""
# A loop in C that looks at no signal, and never lets go of the GIL; what it says comes from inside of the loop.
HOLDING = """
import collections, itertools
def main():
    said = map(print, ['working'])
    collections.deque(itertools.chain(said, itertools.repeat(0)), maxlen=0)
"""


def aborted(end: dict[str, Any], message: str = "it was asked to end") -> bool:
    return (end["state"], end["cause"], end["message"]) == ("aborted", "Aborted", message)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_endless_loop_is_aborted_by_one_request(either: Start, number: int) -> None:
    run = either(LOOP)
    run.says("working")
    run.process.send_signal(number)
    assert aborted(run.end)


def test_the_users_cleaning_up_is_waited_for(handler: Start) -> None:
    run = handler(
        """
        import time
        def main():
            try:
                print('working', flush=True)
                time.sleep(60)
            finally:
                time.sleep(0.3)
                print('cleaned up', flush=True)
        """
    )
    run.says("working")
    run.ask()
    assert aborted(run.end)
    assert "cleaned up" in run.log()


def test_what_returns_although_it_was_asked_to_end_is_completed(handler: Start) -> None:
    run = handler(
        """
        import time
        def main():
            try:
                print('working', flush=True)
                time.sleep(60)
            except SystemExit:
                return 'whole'
        """
    )
    run.says("working")
    run.ask()
    assert run.end["state"] == "completed"
    assert run.of("result") == [{"values": {"return": "whole"}}]


def test_who_ignores_the_request_is_killed_after_the_grace(either: Start) -> None:
    run = either(STUBBORN, timeouts={"grace": 0.5})
    run.says("working")
    began = time.monotonic()
    run.ask()
    assert aborted(run.end, "it was asked to end, and was killed")
    assert time.monotonic() - began >= 0.5
    assert run.end["signal"] == signal.SIGKILL


def test_a_second_request_kills_now(either: Start) -> None:
    run = either(STUBBORN, timeouts={"grace": 1000})
    run.says("working")
    run.ask()
    time.sleep(0.3)
    assert run.process.poll() is None
    run.ask()
    assert aborted(run.end, "it was asked to end, and was killed")


def test_who_asks_may_say_how_long_it_may_take(script: Start, tmp_path: Path) -> None:
    abort = tmp_path / "abort"
    run = script(
        f"{STUBBORN}\nmain()",
        timeouts={"grace": 1000},
        carrier={"type": "file", "path": str(tmp_path / "events"), "abort": str(abort)},
    )
    run.says("working")
    abort.write_text("0")
    run.ask()
    assert aborted(run.end, "it was asked to end, and was killed")


def test_a_request_before_anything_began_is_not_lost(launch: Start) -> None:
    # Held back until the supervisor can answer, as whoever starts one may do it.
    def hold_back() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.raise_signal(signal.SIGTERM)

    run = launch({"command": ["sleep", "60"]}, popen={"preexec_fn": hold_back})
    assert aborted(run.end, "it was asked to end before it began")
    assert [event["kind"] for event in run.events] == ["end"]


def test_a_request_that_the_system_kept_from_it_is_not_lost(script: Start, tmp_path: Path) -> None:
    """The first process of a container gets no signal that it has no answer to yet: the file is all that is left."""
    (tmp_path / "abort").write_text("0")
    carrier = {"type": "file", "path": str(tmp_path / "events"), "abort": str(tmp_path / "abort")}
    run = script("import time\ntime.sleep(60)", carrier=carrier)
    assert aborted(run.end, "it was asked to end before it began")


def test_the_handler_can_be_sent_signals_although_they_were_held_back(launch: Start) -> None:
    run = launch(
        {"command": ["sleep", "60"]},
        popen={"preexec_fn": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])},
    )
    run.until(lambda: run.of("state"))
    run.ask()
    assert aborted(run.end)
    assert run.end["signal"] == signal.SIGTERM


def test_what_holds_the_interpreter_is_killed_too(handler: Start) -> None:
    run = handler(HOLDING, timeouts={"grace": 0.3})
    run.says("working")
    run.ask()
    assert aborted(run.end, "it was asked to end, and was killed")


def test_the_heart_beats_while_the_interpreter_is_held(handler: Start) -> None:
    run = handler(HOLDING, heartbeat=0.05)
    run.says("working")
    before = len(run.of("heartbeat"))
    run.until(lambda: len(run.of("heartbeat")) >= before + 5)
    run.process.send_signal(signal.SIGTERM)
    run.process.send_signal(signal.SIGINT)  # another one: of two that are alike the kernel may make one
    assert run.end["state"] == "aborted"


def test_a_limit_of_time_is_a_timeout(either: Start) -> None:
    began = time.monotonic()
    run = either(LOOP, timeouts={"run": 0.5, "grace": 10})
    end = run.end
    assert (end["state"], end["cause"]) == ("failed", "Timeout")
    assert end["message"] == "it ran longer than its limit of 0.5 s"
    assert time.monotonic() - began >= 0.5


def test_who_ignores_a_limit_of_time_is_killed(either: Start) -> None:
    run = either(STUBBORN, timeouts={"run": 0.5, "grace": 0.3})
    assert run.end["cause"] == "Timeout"
    assert run.end["message"] == "it ran longer than its limit of 0.5 s, and was killed"


def test_an_exception_before_the_request_is_the_cause(handler: Start) -> None:
    run = handler(
        """
        import atexit, time
        def main():
            atexit.register(time.sleep, 60)
            raise ValueError('first')
        """
    )
    run.until(lambda: "ValueError" in run.log("stderr"))
    run.ask()
    assert (run.end["cause"], run.end["message"]) == ("UserError", "ValueError: first")


def test_a_reader_that_does_not_read_does_not_save_the_handler(
    launch: Start, is_gone: Callable[[int], bool], tmp_path: Path
) -> None:
    # Standard output is a pipe that nobody empties: the supervisor's writes block.
    import os

    reader, writer = os.pipe()
    source = (
        "import os; open('pid', 'w').write(str(os.getpid())); os.rename('pid', 'known')\nwhile True: print('x' * 999)"
    )
    run = launch(
        {"command": ["{python}", "-c", source]},
        popen={"stdout": writer},
        carrier={"type": "frames"},
        workdir=str(tmp_path),
    )
    os.close(writer)
    run.until((tmp_path / "known").exists)
    time.sleep(0.5)
    run.ask()
    run.ask()
    time.sleep(0.1)
    run.ask()
    pid = int((tmp_path / "known").read_text())
    run.until(lambda: is_gone(pid))
    os.close(reader)
    assert run.status == 1
