"""One run out of two parts: what comes out is what one database would have, had it got the events of both."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.databases import RunRecord
from framework.engine.apply import merge
from framework.engine.reconcile import reconciled, stamp
from framework_run import ends
from framework_run.events import Event, Producer, observed_end

UID = "01900000-0000-7000-8000-000000000001"


def record(*batches: list[Event], state: str = "pending") -> RunRecord:
    """What a database has after these batches."""
    document: dict[str, Any] = {
        "metadata": {"uid": UID, "name": "train"},
        "spec": {"kind": "local"},
        "status": {"state": state, "created": 1.0},
    }
    kept = RunRecord(document=document)
    artifacts = {}
    for batch in batches:
        merged = merge(kept.document, kept.ledger, batch)
        kept.document, kept.ledger = merged.document, json.loads(json.dumps(merged.ledger))
        kept.log += merged.log
        kept.metrics += merged.metrics
        artifacts.update({each["metadata"]["key"]: each for each in merged.artifacts})
    kept.artifacts = list(artifacts.values())
    return kept


def story(attempt: int = 1, rank: int = 0, end: dict[str, Any] | None = None, length: int = 2) -> list[Event]:
    """What a whole attempt says, on a clock that runs backwards now and then."""
    producer = Producer({"uid": UID, "attempt": attempt, "rank": rank})
    start = 10.0 * attempt
    events = [producer.event("state", {"state": "running", "host": "here", "pid": rank}, at=start)]
    for step in range(length):
        at = start + step - 3.0 * (step % 2)
        digest = f"sha256:{attempt}{step}" + "0" * 62
        artifact = {"key": "model", "type": "file", "digest": digest, "size": 1, "uri": f"file:///{step}"}
        events += [
            producer.event("log", {"stream": "stdout", "text": f"{attempt}/{rank}/{step}\n"}, at=at),
            producer.event("result", {"values": {"n": step, f"k{step}": attempt}}, at=at),
            producer.event("metric", {"key": "loss", "steps": [step], "values": [0.5], "times": [at]}, at=at),
            producer.event("artifact", artifact, at=at),
            producer.event("heartbeat", {}, at=at),
            producer.event("peak", {"memory": 100 * step}, at=at),
            producer.event("progress", {"done": step}, at=at),
        ]
    return [*events, producer.event("end", end or ends.completed(), at=start + length)]


def output(kept: RunRecord) -> list[tuple[int, int, int, bytes]]:
    """The output of a record by attempt, rank and number."""
    found = []
    for chunk in kept.log:
        start = 0
        for _, rank, number, size in chunk.marks:
            found.append((chunk.attempt, rank, number, chunk.data[start : start + size]))
            start += size
    return sorted(found)


def points(kept: RunRecord) -> list[tuple[Any, ...]]:
    return sorted(
        (chunk.attempt, chunk.marks[0][1], *point)
        for chunk in kept.metrics
        for point in zip(chunk.steps, chunk.values, chunk.times, strict=True)
    )


def everything(kept: RunRecord) -> Any:
    """What has to be the same, in one order."""
    ledger = json.loads(json.dumps(kept.ledger))
    for attempt in ledger.get("attempts", {}).values():
        attempt["producers"] = dict(sorted(attempt["producers"].items()))
    artifacts = sorted(kept.artifacts, key=lambda each: each["metadata"]["key"])
    return json.dumps([kept.document, ledger, artifacts], sort_keys=True), output(kept), points(kept)


def joined(ours: RunRecord, theirs: RunRecord) -> RunRecord:
    return reconciled(ours, theirs) or ours


WHOLE = [*story(1, end=ends.lost("gone")), *story(2), *story(2, rank=1)]


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_two_beginnings_are_the_longer_one(chance: random.Random, one: int, other: int) -> None:
    ours, theirs = record(WHOLE[:one]), record(WHOLE[:other])
    wanted = everything(record(WHOLE[: max(one, other)]))
    assert everything(joined(ours, theirs)) == everything(joined(theirs, ours)) == wanted
    assert (reconciled(ours, theirs) is None) == (one >= other)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["ours", "theirs", "both"]), min_size=len(WHOLE), max_size=len(WHOLE)))
def test_each_side_fills_the_gaps_of_the_other(sides: list[str]) -> None:
    ours = record([event for event, side in zip(WHOLE, sides, strict=True) if side != "theirs"])
    theirs = record([event for event, side in zip(WHOLE, sides, strict=True) if side != "ours"])
    assert everything(joined(ours, theirs)) == everything(joined(theirs, ours)) == everything(record(WHOLE))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["ours", "theirs", "both", "none"]), min_size=len(WHOLE), max_size=len(WHOLE)))
def test_what_neither_has_is_missing_and_never_taken_for_whole(sides: list[str]) -> None:
    ours = record([event for event, side in zip(WHOLE, sides, strict=True) if side in {"ours", "both"}])
    theirs = record([event for event, side in zip(WHOLE, sides, strict=True) if side in {"theirs", "both"}])
    truth = record([event for event, side in zip(WHOLE, sides, strict=True) if side != "none"])
    there, back = joined(ours, theirs), joined(theirs, ours)
    assert everything(there) == everything(back)
    assert (output(there), points(there)) == (output(truth), points(truth))
    found, wanted = there.document["status"], truth.document["status"]
    assert found.get("gaps") == wanted.get("gaps")
    assert found.get("results") == wanted.get("results")
    if found["state"] != wanted["state"]:
        assert (found["cause"], wanted["state"]) == ("Lost", "completed")
        assert found["provisional"]
    assert reconciled(there, ours) is None
    assert reconciled(there, theirs) is None


@pytest.mark.parametrize("first", [0, 1])
def test_a_final_end_beats_an_inferred_one_whichever_side_has_it(first: int) -> None:
    events = story()
    lost = record(events[:5], [observed_end({"uid": UID}, ends.lost("gone"))])
    sides = [lost, record(events)]
    both = joined(sides[first], sides[1 - first])
    assert both.document["status"]["state"] == "completed"
    assert both.document["status"]["gaps"] == []


def test_any_cause_replaces_lost() -> None:
    begun = story()[:1]
    lost = record(begun, [observed_end({"uid": UID}, ends.lost("gone"))])
    memory = record(begun, [observed_end({"uid": UID}, ends.out_of_memory("killed"))])
    assert joined(lost, memory).document["status"]["cause"] == "OutOfMemory"
    assert joined(memory, lost).document["status"]["cause"] == "OutOfMemory"


def test_a_run_that_has_said_nothing_yet_goes_forward_only() -> None:
    created, pending = record(state="created"), record(state="pending")
    assert joined(created, pending).document["status"]["state"] == "pending"
    assert reconciled(pending, created) is None


def test_where_an_artifact_lies_is_no_difference() -> None:
    ours, moved = record(story()), json.loads(json.dumps(story()).replace("file:///", "s3://bucket/"))
    theirs = record(moved)
    assert stamp(ours.document, ours.ledger) == stamp(theirs.document, theirs.ledger)
    assert reconciled(ours, theirs) is None
    assert ours.document["status"]["artifacts"]["model"]["uri"] == "file:///1"


def test_the_handle_comes_with_the_place_up_to_which_it_was_read() -> None:
    ours, theirs = record(story()[:2]), record(story()[:3])
    theirs.handle, theirs.cursor = {"kind": "local"}, {"offset": 9}
    both = joined(ours, theirs)
    assert (both.handle, both.cursor) == ({"kind": "local"}, {"offset": 9})
    both = joined(theirs, ours)
    assert (both.handle, both.cursor) == ({"kind": "local"}, {"offset": 9})


def test_output_from_before_there_were_marks_is_not_doubled() -> None:
    from attrs import evolve

    ours, theirs = record(story()), record(story()[:6])
    ours.log = [evolve(chunk, marks=()) for chunk in ours.log]
    theirs.log = [evolve(chunk, marks=()) for chunk in theirs.log]
    assert reconciled(ours, theirs) is None
    theirs.log, ours.log = ours.log, []
    assert b"".join(chunk.data for chunk in joined(ours, theirs).log) == b"1/0/0\n1/0/1\n"
