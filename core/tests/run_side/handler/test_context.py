"""The context: what it knows, and what it says."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from pathlib import Path

import pytest

from framework_run import frames, points, slot
from framework_run.channel import Channel, environment
from framework_run.context import Context
from framework_run.current import get
from framework_run.errors import PackingError
from framework_run.frames import LIMIT, Decoder
from framework_run.scripts import context_from_environment, from_environment

SUBMISSION = {
    "run": {"uid": "u1", "name": "train", "project": "p", "attempt": 2, "iteration": 3},
    "params": {"depth": 4},
    "inputs": {"data": {"path": "/data.csv"}},
    "labels": {"a": "b"},
    "artifacts": {"path": "s3://bucket"},
}


class Events(list):
    """Takes what a context emits."""

    def emit(self, kind, data, child=None):
        self.append((kind, data, child))

    def of(self, kind):
        return [data for each, data, _ in self if each == kind]

    def points(self, key):
        return [
            point
            for data in self.of("metric")
            if data["key"] == key
            for point in zip(data["steps"], data["values"], strict=True)
        ]


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def context(events):
    made = Context(SUBMISSION, events.emit)
    yield made
    made.before_fork()  # no timer outlives its test


def test_it_knows_its_run(context):
    assert (context.uid, context.name, context.project) == ("u1", "train", "p")
    assert (context.attempt, context.iteration, context.artifact_path) == (2, 3, "s3://bucket")
    assert context.params == {"depth": 4}
    assert context.inputs == {"data": Path("/data.csv")}
    assert context.labels == {"a": "b"}


def test_results_and_labels_are_said_at_once(context, events):
    context.log_result("a", 1)
    context.log_results({"b": [1.5], "c": None})
    context.set_label("x", 5)
    assert events == [
        ("result", {"values": {"a": 1}}, None),
        ("result", {"values": {"b": [1.5], "c": None}}, None),
        ("label", {"labels": {"x": "5"}}, None),
    ]
    assert context.labels == {"a": "b", "x": "5"}


def test_a_result_that_json_cannot_carry_is_refused_with_the_mend(context, events):
    with pytest.raises(PackingError, match="result 's': set has no JSON form") as caught:
        context.log_results({"ok": 1, "s": {1}})
    assert "sorted" in caught.value.advice
    assert events == []


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_result_that_is_too_large_to_be_sent_is_refused_by_its_name_with_the_mend(format_):
    text, said = "x" * (16 << 20), r"^result 'large': a result event of [\d,]+ bytes is too large"
    large = text if format_ == "text" else [text]

    def emit(kind, data, run):
        frames.encode({"kind": kind, "data": data}, "token")

    for keep in (
        lambda context: context.log_results({"small": 1, "large": large}),
        lambda context: context.keep_returned((1, large), ["small", "large"]),
    ):
        with pytest.raises(PackingError, match=said) as caught:
            keep(Context(SUBMISSION, emit))
        assert f"returns=['large:{format_}']" in caught.value.advice


@pytest.mark.parametrize("key", ["", None, 3])
def test_a_key_has_to_be_a_text(context, key):
    for call in (context.log_result, context.log_metric, context.log_artifact, context.set_label):
        with pytest.raises(PackingError, match="a key has to be a text"):
            call(key, 1)


def test_slow_points_are_sent_as_they_come(context, events):
    for step in range(3):
        context.log_metric("loss", 1 / (step + 1), step=step)
        assert len(events) == step + 1
    assert events.points("loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]


def test_fast_points_are_sent_in_columns_and_none_is_lost(context, events):
    count = 3 * points.MOST
    for step in range(count):
        context.log_metric("loss", step, step=step)
    context.flush()
    assert events.points("loss") == [(step, float(step)) for step in range(count)]
    assert len(events) < 100


def test_points_that_wait_are_sent_within_a_second(context, events):
    for step in range(points.AT_ONCE + 10):
        context.log_metric("loss", 0.0, step=step)
    deadline = time.monotonic() + 10
    while len(events.points("loss")) < points.AT_ONCE + 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(events.points("loss")) == points.AT_ONCE + 10


def test_no_thread_is_left_when_the_process_forks(context):
    for step in range(points.AT_ONCE + 1):
        context.log_metric("loss", 0.0, step=step)
    assert any(isinstance(thread, threading.Timer) for thread in threading.enumerate())
    context.before_fork()
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_an_inline_context_starts_no_thread(events):
    context = Context(SUBMISSION, events.emit, timer=False)
    for step in range(points.AT_ONCE + 1):
        context.log_metric("loss", 0.0, step=step)
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_steps_go_on_by_themselves(context, events):
    context.log_metric("a", 1)
    context.log_metric("a", 2)
    context.log_metric("a", 3, step=10)
    context.log_metric("a", 4)
    context.log_metric("b", 5)
    assert events.points("a") == [(0, 1.0), (1, 2.0), (10, 3.0), (11, 4.0)]
    assert events.points("b") == [(0, 5.0)]


def test_points_of_many_threads_are_all_kept(context, events):
    def log(name):
        for step in range(5_000):
            context.log_metric(name, step, step)

    threads = [threading.Thread(target=log, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    context.flush()
    for number in range(4):
        assert sorted(events.points(f"t{number}")) == [(step, float(step)) for step in range(5_000)]


def test_many_threads_start_one_timer(context, monkeypatch):
    made, together = [], threading.Barrier(4)

    class Slow(threading.Timer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)
            time.sleep(0.05)  # the others come meanwhile

    monkeypatch.setattr(points.threading, "Timer", Slow)
    monkeypatch.setattr(points, "EVERY", 60.0)
    for step in range(points.AT_ONCE):
        context.log_metric("loss", 0.0, step=step)

    def log():
        together.wait()
        context.log_metric("loss", 1.0, step=points.AT_ONCE)

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    context.before_fork()
    assert not made[0].is_alive()


def test_a_clock_that_is_set_back_stops_nothing(context, events, monkeypatch):
    now = [1_000_000.0]
    monkeypatch.setattr(points, "time", lambda: now[0])
    context.log_metric("a", 1)
    now[0] -= 3600
    for step in range(5):
        context.log_metric("a", step)
    assert len(events.points("a")) == 6


def test_values_that_are_no_floats_yet_become_some(context, events):
    context.log_metric("a", 1)
    context.log_metric("a", math.nan)
    context.log_metric("a", "2.5")
    assert [value for _, value in events.points("a")] == [1.0, {"$float": "nan"}, 2.5]


@pytest.mark.parametrize(("value", "step"), [(object(), 1), ("x", 1), (10**400, 1), (1.0, 1.5), (1.0, "1")])
def test_points_that_are_no_numbers_are_refused(context, value, step):
    with pytest.raises(PackingError, match="metric 'a'"):
        context.log_metric("a", value, step)


def test_progress_is_thinned_out_but_for_the_end(context, events):
    for done in range(1_001):
        context.progress(done, 1_000, unit="rows")
    said = events.of("progress")
    assert said[0] == {"done": 0, "total": 1_000, "unit": "rows", "text": ""}
    assert said[-1]["done"] == 1_000
    assert len(said) < 50


def test_items_are_given_back_and_counted(context, events):
    assert list(context.progress([5, 6, 7], unit="rows", text="load")) == [5, 6, 7]
    said = events.of("progress")
    assert said[0] == {"done": 0, "total": 3, "unit": "rows", "text": "load"}
    assert (said[-1]["done"], said[-1]["total"]) == (3, 3)
    assert said[-1]["rate"] > 0


def test_items_whose_number_is_not_known_are_counted(context, events):
    for item in context.progress(character for character in "abcdef"):
        if item == "d":
            break
    assert [(each["done"], each["total"]) for each in events.of("progress")] == [(0, None), (3, None)]
    assert sum(context.progress(iter(range(4)), total=4)) == 6
    assert events.of("progress")[-1]["total"] == 4


def test_a_series_that_begins_again_has_a_rate_of_its_own(context, events):
    context.progress(900, 1_000)
    context.progress(1_000, 1_000)
    context.progress(1, 1)
    assert "rate" not in events.of("progress")[-1]


def test_artifacts_are_said_with_their_content_and_returned_without(context, events):
    kept = context.log_model("m", {"weights": [1]}, metadata={"kind": "tiny"})
    (said,) = events.of("artifact")
    assert (said["type"], said["metadata"]["kind"], "content" in said) == ("model", "tiny", True)
    assert kept == {name: part for name, part in said.items() if name != "content"}
    assert context.log_dataset("d", b"1,2", format="bytes")["type"] == "dataset"


def test_a_child_run_has_its_own_results_and_end(context, events):
    with context.child_run("fold", {"k": 1}) as child:
        assert get() is child
        assert child.params == {"k": 1}
        child.log_result("score", 0.5)
        child.log_metric("loss", 1.0)
    context.log_result("mean", 0.5)
    assert [(kind, each) for kind, _, each in events] == [
        ("child", child.uid),
        ("result", child.uid),
        ("metric", child.uid),
        ("end", child.uid),
        ("result", None),
    ]
    assert events[0][1] == {"uid": child.uid, "name": "fold", "params": {"k": 1}}
    assert events[3][1]["state"] == "completed"
    assert get() is not child


def test_an_exception_fails_the_child_and_goes_on(context, events):
    with pytest.raises(ZeroDivisionError), context.child_run("fold"):
        1 / 0  # noqa: B018  raises
    end = events.of("end")[0]
    assert (end["state"], end["cause"], end["message"]) == (
        "failed",
        "UserError",
        "ZeroDivisionError: division by zero",
    )


def test_the_logger_writes_to_the_standard_error_of_the_moment(context, capsys):
    context.logger.info("one %d", 1)
    context.logger.debug("hidden")
    assert capsys.readouterr().err.endswith("INFO one 1\n")
    context.logger.warning("two")
    assert capsys.readouterr().err.endswith("WARNING two\n")
    assert "train" not in logging.Logger.manager.loggerDict


def test_outside_of_a_run_everything_is_checked_and_nothing_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = get()
    assert (context.uid, context.params, context.inputs) == ("", {}, {})
    context.log_metric("a", 1.0)
    context.log_artifact("a", object())
    context.progress(1)
    with context.child_run("x") as child:
        child.log_result("a", 1)
    with pytest.raises(PackingError):
        context.log_result("a", object())
    assert list(tmp_path.iterdir()) == []


def _close(fd):
    with contextlib.suppress(OSError):  # the test has closed it
        os.close(fd)


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    _close(reader)
    _close(writer)


def received(reader, writer):
    os.close(writer)
    decoder, events = Decoder("tok"), []
    while data := os.read(reader, 65_536):
        events += decoder.feed(data)
    return events + decoder.close()


def test_the_channel_carries_events_of_any_size_whole(pipe):
    reader, writer = pipe
    channel = Channel(writer, "tok")
    text = "x" * (5 * LIMIT)
    channel.send("result", {"values": {"a": text}}, child="c1")
    channel.send("returned", {"pid": 1})
    first, second = received(reader, writer)
    assert (first["kind"], first["data"], first["child"]) == ("result", {"values": {"a": text}}, "c1")
    assert (second["kind"], "child" in second) == ("returned", False)


def test_threads_and_forked_children_share_a_channel(pipe):
    reader, writer = pipe
    channel = Channel(writer, "tok")
    found: list[object] = []
    drain = threading.Thread(target=lambda: found.extend(iter_until_end(reader)))
    drain.start()

    def send(name):
        for number in range(50):
            channel.send("result", {"values": {name: [number] * 2_000}})

    threads = [threading.Thread(target=send, args=(f"t{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pid = os.fork()
    if pid == 0:
        send("child")
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    drain.join()
    assert len([event for event in found if isinstance(event, dict)]) == 200
    assert not [piece for piece in found if isinstance(piece, bytes)]


def iter_until_end(reader):
    decoder = Decoder("tok")
    while data := os.read(reader, 65_536):
        yield from decoder.feed(data)
    yield from decoder.close()


def test_a_script_finds_its_context_in_the_environment(pipe, monkeypatch):
    reader, writer = pipe
    document = {**SUBMISSION, "token": "tok", "params": {"big": {"$int": str(2**60)}}}
    for name, value in environment(writer, document).items():
        monkeypatch.setenv(name, value)
    context = context_from_environment()
    assert (context.uid, context.params) == ("u1", {"big": 2**60})
    context.log_result("a", 1)
    assert received(reader, writer)[0]["data"] == {"values": {"a": 1}}


def test_parameters_that_are_too_long_for_a_variable_go_through_a_file(pipe, monkeypatch, tmp_path):
    document = {**SUBMISSION, "token": "tok", "params": {"long": "x" * 200_000}}
    variables = environment(pipe[1], document, str(tmp_path))
    assert all(len(value) < 10_000 for value in variables.values())
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert context_from_environment().params == document["params"]


def test_a_descriptor_that_is_another_pipe_or_file_is_no_channel(pipe, monkeypatch, tmp_path):
    writer = pipe[1]
    variables = environment(writer, {**SUBMISSION, "token": "tok"})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert from_environment() is not None
    os.close(writer)
    assert from_environment() is None
    other_reader, other_writer = os.pipe()
    if other_writer != writer:
        os.dup2(other_writer, writer)
    assert from_environment() is None
    for fd in {other_reader, other_writer}:
        os.close(fd)
    monkeypatch.setenv("FRAMEWORK_RUN_CHANNEL", "nonsense")
    assert from_environment() is None


def test_a_thread_belongs_to_the_only_active_run(events):
    context = Context(SUBMISSION, events.emit)
    token = slot.set_current(context)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(slot.current()))
    thread.start()
    thread.join()
    slot.reset(token)
    assert seen == [context]
    assert slot.current() is None
