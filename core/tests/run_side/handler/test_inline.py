"""Runs in the caller's own process."""

# ruff: noqa: T201  what is printed is the subject

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import textwrap
import threading

import pytest

from framework_run.current import get
from framework_run.inline import run_inline


class Events(list):
    def emit(self, kind, data, child=None):
        self.append((kind, data, child))

    def log(self, stream):
        return "".join(data["text"] for kind, data, _ in self if kind == "log" and data["stream"] == stream)

    @property
    def results(self):
        return {key: value for kind, data, _ in self if kind == "result" for key, value in data["values"].items()}


@pytest.fixture
def events():
    return Events()


def call(function, events, params=None, **parts):
    submission = {"run": {"uid": "u", "name": "n"}, "params": params or {}, **parts}
    return run_inline(function, submission, events.emit)


def test_it_returns_the_value_itself_and_keeps_the_result(events):
    value = object()

    def function(thing, n: int = 1):
        get().log_result("n", n)
        return thing, n

    returned, end, error = call(
        function, events, {"thing": value, "n": "2"}, raw=["n"], returns=["thing:text", "twice"]
    )
    assert returned == (value, 2)
    assert (end["state"], error) == ("completed", None)
    assert events.results == {"n": 2, "twice": 2}


def test_what_is_printed_is_on_the_terminal_and_in_the_log(events, capsys):
    def function():
        print("out")
        print("err", file=sys.stderr)
        sys.stdout.writelines(["a", "b\n"])
        sys.stdout.buffer.write(b"bytes \xc3\xa9\n")

    before = sys.stdout, sys.stderr
    call(function, events)
    assert (sys.stdout, sys.stderr) == before
    assert events.log("stdout") == "out\nab\nbytes é\n"
    assert events.log("stderr") == "err\n"
    assert capsys.readouterr().err == "err\n"


def test_much_output_is_sent_in_pieces_while_it_goes_on(events):
    sizes = []

    def function():
        for _ in range(20):
            print("é" * 1_000)
        sizes.append(len(events))

    call(function, events)
    assert sizes[0] > 0
    assert max(len(data["text"].encode()) for kind, data, _ in events if kind == "log") <= 32 * 1024
    assert events.log("stdout") == ("é" * 1_000 + "\n") * 20


def test_lone_surrogates_are_carried(events):
    with contextlib.redirect_stdout(io.StringIO()):
        call(lambda: print("\ud800 \udcff"), events)
    events.log("stdout").encode("utf-8", "surrogateescape")


def test_runs_in_threads_have_logs_and_contexts_of_their_own():
    barrier = threading.Barrier(4)
    logs = {}

    def function(name: str):
        barrier.wait()
        for _ in range(100):
            print(name)
        get().log_result("name", name)

    def one(name):
        events = logs[name] = Events()
        call(function, events, {"name": name})

    before = sys.stdout
    threads = [threading.Thread(target=one, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.stdout is before
    for name, events in logs.items():
        assert events.log("stdout").replace("\n", "") == name * 100
        assert events.results["name"] == name


def test_a_run_within_a_run_keeps_its_own(events):
    inner_events = Events()

    def inner():
        print("inner")
        get().log_result("who", "inner")

    def outer():
        print("before")
        call(inner, inner_events)
        print("after")
        get().log_result("who", "outer")

    call(outer, events)
    assert (events.log("stdout"), events.results["who"]) == ("before\nafter\n", "outer")
    assert (inner_events.log("stdout"), inner_events.results["who"]) == ("inner\n", "inner")


def test_a_stream_that_the_code_leaves_behind_is_no_trap(events):
    kept = []

    def function():
        kept.append(sys.stdout)

    call(function, events)
    kept[0].write("later\n")
    assert events.log("stdout") == ""


def test_an_exception_comes_back_with_the_end(events, capsys):
    def function():
        raise ValueError("no")

    value, end, error = call(function, events)
    assert (value, end["state"], end["cause"], end["message"]) == (None, "failed", "UserError", "ValueError: no")
    assert isinstance(error, ValueError)
    assert events.log("stderr") == end["traceback"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("raised", "state", "cause"),
    [
        (SystemExit(0), "completed", None),
        (SystemExit(), "completed", None),
        (SystemExit(2), "failed", "UserError"),
        (KeyboardInterrupt(), "aborted", "Aborted"),
        (MemoryError(), "failed", "OutOfMemory"),
        (RecursionError("deep"), "failed", "UserError"),
    ],
)
def test_ends(events, raised, state, cause):
    def function():
        get().log_metric("a", 1.0)
        raise raised

    _, end, error = call(function, events)
    assert (end["state"], end["cause"]) == (state, cause)
    assert (error is None) == (state == "completed")
    assert [kind for kind, _, _ in events if kind == "metric"] == ["metric"]


def test_bad_parameters_are_bad_input(events):
    def function(depth: int):
        return depth

    _, end, _ = call(function, events, {"depth": "x"})
    assert end["cause"] == "BadInput"
    assert "the signature is" in end["message"]


def test_an_input_that_is_not_there_is_bad_input(events):
    _, end, _ = call(lambda: None, events, inputs={"data": {"path": "/no/such/file"}})
    assert (end["cause"], "'/no/such/file', which is not there" in end["message"]) == ("BadInput", True)


def test_coroutines_are_awaited_in_a_running_loop_too(events):
    import asyncio

    async def function(n: int):
        await asyncio.sleep(0)
        get().log_result("inside", 1)
        return n

    async def notebook():
        return call(function, events, {"n": 3})

    assert call(function, Events(), {"n": 2})[0] == 2
    assert asyncio.run(notebook())[0] == 3
    assert events.results == {"inside": 1, "return": 3}


def test_the_debugger_stops_at_the_failing_line(tmp_path):
    script = tmp_path / "debugged.py"
    script.write_text(
        textwrap.dedent(
            """
            from framework_run.inline import run_inline

            def inner(number):
                return 1 / number

            def function():
                return inner(0)

            run_inline(function, {"run": {}, "params": {}}, lambda *_: None, debug=True)
            """
        )
    )
    ended = subprocess.run(
        [sys.executable, script], input="p number + 41\nq\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert "return 1 / number" in ended.stdout
    assert "41" in ended.stdout
    assert "ZeroDivisionError" in ended.stderr
