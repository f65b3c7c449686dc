"""The merge rule, rule by rule, and that order, repetition and batches never matter."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.engine.apply import merge
from framework_run import ends
from framework_run.events import Event, Producer, observed, observed_end

UID = "01900000-0000-7000-8000-000000000001"


def document() -> dict[str, Any]:
    status = {"state": "pending", "created": 1.0}
    return {"metadata": {"uid": UID, "name": "train"}, "spec": {"kind": "local"}, "status": status}


def story(attempt: int = 1, *, end: dict[str, Any] | None = None, rank: int = 0) -> list[Event]:
    """What a whole attempt says."""
    producer = Producer({"uid": UID, "attempt": attempt, "rank": rank})
    return [
        producer.event("state", {"state": "running", "host": "here", "pid": 7}, at=2.0),
        producer.event("log", {"stream": "stdout", "text": "hello\n"}, at=3.0),
        producer.event("result", {"values": {"accuracy": 0.5 * attempt}}, at=4.0),
        producer.event("metric", {"key": "loss", "steps": [0, 1], "values": [2.0, 1.0], "times": [4.0, 4.5]}, at=4.5),
        producer.event("result", {"values": {"accuracy": 0.9 * attempt}}, at=5.0),
        producer.event("end", end or ends.completed(), at=6.0),
    ]


def applied(*batches: list[Event]) -> dict[str, Any]:
    current, ledger = document(), {}
    for batch in batches:
        merged = merge(current, ledger, batch)
        current, ledger = merged.document, json.loads(json.dumps(merged.ledger))
    return current


def test_a_whole_story_is_a_completed_run() -> None:
    status = applied(story())["status"]
    assert (status["state"], status["results"], status["metrics"]) == ("completed", {"accuracy": 0.9}, {"loss": 1.0})
    assert (status["started"], status["ended"], status["gaps"]) == (2.0, 6.0, [])


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_order_repetition_and_batches_do_not_matter(chance: random.Random, count: int) -> None:
    events = story(1, end=ends.lost("gone")) + story(2) + story(2, rank=1)
    expected = applied(events)
    shuffled = events + chance.sample(events, count)
    chance.shuffle(shuffled)
    batches = [shuffled[start : start + count] for start in range(0, len(shuffled), count)]
    assert applied(*batches) == expected


@given(st.randoms(use_true_random=False))
def test_a_whole_story_is_kept_without_its_counts_and_decides_the_same(chance: random.Random) -> None:
    events = story()
    first = merge(document(), {}, events)
    assert "kinds" not in json.dumps(first.ledger)
    again = merge(first.document, first.ledger, chance.sample(events, 3))
    assert (again.document, again.ledger) == (first.document, first.ledger)


def test_nothing_is_given_twice_to_log_and_metrics() -> None:
    first = merge(document(), {}, story())
    again = merge(first.document, first.ledger, story())
    assert [chunk.data for chunk in first.log] == [b"hello\n"]
    assert [list(chunk.values) for chunk in first.metrics] == [[2.0, 1.0]]
    assert (again.log, again.metrics) == ([], [])


def test_a_late_state_does_not_undo_the_end() -> None:
    events = story()
    assert applied(events[1:], events[:1])["status"]["state"] == "completed"


def test_a_provisional_end_gives_way_to_the_final_one() -> None:
    observed = observed_end({"uid": UID}, ends.lost("gone"))
    before = applied(story()[:3], [observed])["status"]
    assert (before["state"], before["cause"], before["provisional"]) == ("failed", "Lost", True)
    after = applied(story()[:3], [observed], story()[3:])["status"]
    assert (after["state"], after["cause"], after["provisional"]) == ("completed", None, False)


def test_a_provisional_end_never_replaces_a_final_one() -> None:
    observed = observed_end({"uid": UID}, ends.lost("gone"))
    assert applied(story(), [observed])["status"]["state"] == "completed"


def test_any_cause_replaces_lost_and_nothing_else_is_replaced() -> None:
    lost, memory = ends.lost("gone"), ends.out_of_memory("killed")
    observed = [observed_end({"uid": UID}, end) for end in (lost, memory, ends.backend("api"))]
    assert applied(story()[:1], observed)["status"]["cause"] == "OutOfMemory"


def test_a_later_attempt_fences_the_older_one() -> None:
    first, second = story(1, end=ends.out_of_memory("killed")), story(2)
    run = applied(first[:3], second[:3], first[3:])
    assert run["status"]["state"] == "running"
    assert run["status"]["results"] == {"accuracy": 1.0}
    assert [row["state"] for row in run["status"]["attempts"]] == ["failed", "running"]
    assert run["status"]["attempts"][0]["results"] == {"accuracy": 0.9}


@pytest.mark.parametrize("missing", [0, 2, 3, 4])
def test_completed_needs_every_record_but_log(missing: int) -> None:
    events = story()
    lacking = [event for index, event in enumerate(events) if index != missing]
    status = applied(lacking)["status"]
    assert (status["state"], status["cause"]) == ("failed", "Lost")
    assert status["gaps"]
    assert applied(lacking, [events[missing]])["status"]["state"] == "completed"


def test_missing_log_lines_are_said_and_the_run_is_completed() -> None:
    events = story()
    status = applied([*events[:1], *events[2:]])["status"]
    assert status["state"] == "completed"
    assert status["gaps"] == ["events 2 to 2 are missing"]


def test_a_rank_that_failed_fails_the_run() -> None:
    status = applied(story(), story(rank=1, end=ends.user_error("boom")))["status"]
    assert (status["state"], status["cause"], status["message"]) == ("failed", "UserError", "boom")


def test_a_child_is_a_run_of_its_own() -> None:
    producer = Producer({"uid": UID})
    child = "01900000-0000-7000-8000-000000000002"
    events = [
        producer.event("state", {"state": "running"}, at=1.0),
        producer.event("child", {"uid": child, "name": "fold", "params": {"n": 1}}, at=2.0),
        producer.event("result", {"values": {"score": 3}}, child=child, at=3.0),
        producer.event("end", ends.completed(), child=child, at=4.0),
        producer.event("end", ends.completed(), at=5.0),
    ]
    merged = merge(document(), {}, events)
    assert merged.document["status"]["state"] == "completed"
    assert merged.document["status"]["results"] == {}
    (inner,) = [made.document for made in merged.children]
    assert (inner["metadata"]["name"], inner["spec"]["parent"]) == ("fold", UID)
    assert (inner["status"]["state"], inner["status"]["results"]) == ("completed", {"score": 3})


def test_a_child_that_was_left_open_ends_with_its_parent() -> None:
    producer = Producer({"uid": UID})
    child = "01900000-0000-7000-8000-000000000002"
    opened = producer.event("child", {"uid": child, "name": "fold", "params": {}}, at=2.0)
    first = merge(document(), {}, [opened])
    found = {child: (first.children[0].document, first.children[0].ledger)}
    last = merge(first.document, first.ledger, [observed_end({"uid": UID}, ends.lost("gone"))], found.get)
    (inner,) = [made.document for made in last.children]
    assert (inner["status"]["state"], inner["status"]["cause"]) == ("failed", "Lost")


def test_the_two_sides_of_a_run_are_told_apart():
    """The submitting side's facts stay, and those of the run's side are the latest attempt's."""
    run = {**document(), "status": {"environment": {"python": "3.11.7", "packages": "sha256:1"}}}
    first, second = Producer({"uid": UID}), Producer({"uid": UID, "attempt": 2})
    began = first.event("state", {"state": "running"})
    said = first.event("environment", {"python": "3.12.1", "packages": "sha256:2", "package_list": ["a==1"]})
    late = observed({"uid": UID}, "client", {"git": {"commit": "c"}})
    merged = merge(run, {}, [late, said, began])
    assert merged.contents == [b"a==1\n"]
    facts = {"python": "3.11.7", "packages": "sha256:1", "git": {"commit": "c"}}
    run_side = {"python": "3.12.1", "packages": "sha256:2"}
    assert merged.document["status"]["environment"] == {**facts, "run": run_side}
    again = merge(merged.document, merged.ledger, [second.event("state", {"state": "running"})])
    assert again.document["status"]["environment"] == facts
