"""A clock that is set back by a day in the middle of a run: what was said last counts, whatever its time."""

from __future__ import annotations

from typing import Any

from framework.cli.text import duration
from framework.engine.apply import merge
from framework_run import ends
from framework_run.events import Producer
from framework_run.uid import new_uid

DAY = 86_400.0
NOON = 1_790_000_000.0


def test_a_clock_that_is_set_back_changes_no_outcome() -> None:
    uid = new_uid()
    producer = Producer({"uid": uid})
    events = [
        producer.event("state", {"state": "running"}, at=NOON),
        producer.event("result", {"values": {"accuracy": 0.1}}, at=NOON + 1),
        producer.event("metric", {"key": "loss", "steps": [0], "values": [2.0], "times": [NOON]}, at=NOON + 2),
        producer.event("result", {"values": {"accuracy": 0.9}}, at=NOON + 3 - DAY),
        producer.event("metric", {"key": "loss", "steps": [1], "values": [1.0], "times": [NOON - DAY]}, at=NOON - DAY),
        producer.event("end", ends.completed(), at=NOON + 5 - DAY),
    ]
    document: dict[str, Any] = {"metadata": {"uid": uid, "name": "x"}, "spec": {}, "status": {"created": NOON}}
    status = merge(document, {}, events)
    said = status.document["status"]
    assert (said["state"], said["results"], said["metrics"]) == ("completed", {"accuracy": 0.9}, {"loss": 1.0})
    assert duration(said["ended"] - said["started"]) == "0 ms"
    backwards = merge(document, {}, events[::-1]).document
    assert backwards == status.document


def test_a_later_attempt_counts_though_its_times_are_earlier() -> None:
    uid = new_uid()
    batches = []
    for attempt, at in ((1, NOON), (2, NOON - DAY)):
        producer = Producer({"uid": uid, "attempt": attempt})
        end = ends.lost("gone") if attempt == 1 else ends.completed()
        batches.append([producer.event("state", {"state": "running"}, at=at), producer.event("end", end, at=at + 1)])
    document: dict[str, Any] = {"metadata": {"uid": uid, "name": "x"}, "spec": {}, "status": {"created": NOON}}
    run = merge(document, {}, [*batches[1], *batches[0]]).document
    assert run["status"]["state"] == "completed"
    assert [row["state"] for row in run["status"]["attempts"]] == ["failed", "completed"]
