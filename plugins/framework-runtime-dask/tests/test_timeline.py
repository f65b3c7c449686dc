"""Points over time: every change of the workers, and of what has ended some, the last among them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from framework_runtime_dask.timeline import DONE, WORKERS, Timeline

LOOKS = st.lists(st.tuples(st.integers(0, 3), st.floats(0.05, 10.0)), min_size=1, max_size=20)


def line(kept, *, is_map=True):
    return Timeline({"uid": "it", "attempt": 2}, is_map=is_map, kept=json.loads(json.dumps(kept)))


def points(events, key):
    found = [event["data"] for event in events if event["data"]["key"] == key]
    return [(data["steps"][0], data["values"][0]) for data in found]


@given(LOOKS, st.integers(0, 20), st.booleans())
def test_every_change_of_the_workers_is_a_point_whoever_goes_on(looks, stop, is_map):
    drawn, events, now, changes = line({}, is_map=is_map), [], 1e9, []
    for index, (count, pause) in enumerate(looks):
        if index == stop:
            drawn = line(drawn.kept(), is_map=is_map)
        events += drawn.of_workers(count, now)
        if not changes or changes[-1][1] != count:
            changes.append((round(now - 1e9), count))
        now += pause
    assert points(events, WORKERS) == (changes if is_map or len(changes) > 1 else [])
    assert all((event["attempt"], event["seq"]) == (2, 0) for event in events)


def test_what_has_ended_is_drawn_by_some_hundred_points_also_of_a_long_map():
    drawn, events = line({}), []
    drawn.of_workers(1, 1000.0)
    for second in range(10_000):
        events += drawn.of_done(second, 1000.0 + second)
    events += drawn.of_done(10_000, 11_000.0, last=True)
    found = points(events, DONE)
    assert found[:3] == [(1, 1), (2, 2), (3, 3)]
    assert found[-1] == (10_000, 10_000)
    assert len(found) < 200
    assert line({}, is_map=False).of_done(1, 2.0, last=True) == []
