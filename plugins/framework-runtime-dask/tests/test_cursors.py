"""Where items stand: any order, any repetition and any split of messages, over any number of executions."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from framework.engine.apply import merge
from framework_run import ends
from framework_run.events import Producer
from framework_runtime_dask.cursors import Positions


def lines_of(value):
    """An execution that completes with a result."""
    producer = Producer({"uid": "item"})
    events = [
        producer.event("state", {"state": "running"}),
        producer.event("log", {"stream": "stdout", "text": f"{value}\n"}),
        producer.event("result", {"values": {"return": value}}),
        producer.event("end", {"state": "completed", "cause": None}),
    ]
    return [json.dumps(event) for event in events]


def positions_of(cursor, count=1):
    return Positions(
        count, 1, cursor, lambda worker, since: ends.out_of_memory(f"{worker} died, which was there at {since:.0f}")
    )


def merged(events):
    document = {"metadata": {"uid": "item"}, "spec": {}, "status": {"state": "pending", "created": 1.0}}
    return merge(document, {}, events)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20), st.integers(0, 20))
def test_whatever_was_seen_live_the_result_makes_it_whole_and_once(slices, stop):
    lines, given_events = lines_of(7), []
    positions = positions_of({})
    for count, (start, length) in enumerate(slices):
        if count == stop:
            positions = positions_of(json.loads(json.dumps(positions.cursor())))
        message = {"i": 0, "x": "a", "w": "w", "lines": lines[start : start + length]}
        given_events += positions.take(message)
    given_events += positions.take({"i": 0, "x": "a", "w": "w", "lines": lines}, whole=True)
    assert [event["seq"] for event in given_events] == [1, 2, 3, 4]
    assert positions.left == 0
    assert positions.take({"i": 0, "x": "a", "w": "w", "lines": lines}, whole=True) == []


@given(st.integers(0, 3), st.integers(0, 3))
def test_an_execution_that_was_lost_is_an_attempt_of_its_own(first, late):
    positions, events = positions_of({}, 3), []
    old, new = lines_of(1), lines_of(2)
    events += positions.take({"i": 1, "x": "a", "w": "w1", "lines": old[:first]})
    events += positions.take({"i": 1, "x": "b", "w": "w2", "lines": new[:2]})
    events += positions.take({"i": 1, "x": "a", "w": "w1", "lines": old[:late]})
    events += positions.take({"i": 1, "x": "b", "w": "w2", "lines": new}, whole=True)
    found = merged(events)
    assert found.document["status"]["state"] == "completed"
    assert found.document["status"]["results"] == {"return": 2}
    attempts = found.document["status"]["attempts"]
    assert (len(attempts) > 1) == bool(first or late)
    for each in attempts[:-1]:
        assert (each["state"], each["cause"]) == ("failed", "OutOfMemory")
        assert re.fullmatch(r"w\d died, which was there at \d+; it was started again on w\d", each["message"])
    assert positions.is_done(1)
    assert positions.left == 2
    # What the scheduler has made again of an item that has ended is dropped.
    assert positions.take({"i": 1, "x": "c", "w": "w3", "lines": old}, whole=True) == []


def test_a_gap_is_left_to_the_result():
    lines, positions = lines_of(3), positions_of({})
    assert [event["seq"] for event in positions.take({"i": 0, "x": "a", "w": "w", "lines": lines[:1]})] == [1]
    assert positions.take({"i": 0, "x": "a", "w": "w", "lines": lines[2:]}) == []
    rest = positions.take({"i": 0, "x": "a", "w": "w", "lines": lines}, whole=True)
    assert [event["seq"] for event in rest] == [2, 3, 4]


def test_what_is_behind_a_gap_waits_for_the_result_and_comes_without_one_where_there_will_be_none():
    lines = lines_of(7)
    held = {"i": 0, "x": "a", "w": "w", "lines": lines[1:3]}
    positions = positions_of({})
    assert positions.take(held) == []
    whole = positions.take({**held, "lines": lines}, whole=True)
    assert [event["seq"] for event in whole] == [1, 2, 3, 4]
    assert positions.rest() == []
    positions = positions_of({})
    positions.take(held)
    assert [event["seq"] for event in positions.rest()] == [2, 3]
    assert positions.rest() == []
    positions.take({"i": 0, "x": "a", "w": "w", "lines": lines[3:]})
    assert positions.left == 0


def test_what_is_behind_a_gap_comes_before_the_next_execution():
    lines, positions = lines_of(7), positions_of({})
    positions.take({"i": 0, "x": "a", "w": "w1", "lines": lines[1:3]})
    found = positions.take({"i": 0, "x": "b", "w": "w2", "lines": lines})
    assert [(event["attempt"], event["seq"], event["kind"]) for event in found] == [
        (1, 2, "log"),
        (1, 3, "result"),
        (1, 0, "end"),
        (2, 1, "state"),
        (2, 2, "log"),
        (2, 3, "result"),
        (2, 4, "end"),
    ]


def test_a_gap_can_be_closed_while_the_item_goes_on():
    lines, positions = lines_of(7), positions_of({})
    assert positions.take({"i": 0, "x": "a", "w": "w", "lines": lines[2:3]}) == []
    assert list(positions.behind()) == [(0, "w", "a", 0)]
    events = positions.take({"i": 0, "x": "a", "w": "w", "lines": lines[:2]})
    events += positions.caught_up(0)
    assert [event["seq"] for event in events] == [1, 2, 3]
    assert list(positions.behind()) == []
    positions.take({"i": 0, "x": "a", "w": "w", "lines": lines[3:]})
    assert positions.left == 0
