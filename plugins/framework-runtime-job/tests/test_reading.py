"""Lines of a pod's log become events, each once, from any cursor."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run.digest import closed, hash_of
from framework_run.events import Producer
from framework_run.frames import encode
from framework_runtime_job.reading import Reader

TOKEN = "0123456789abcdef"
RUN = {"uid": "0198", "iteration": 0, "attempt": 1, "rank": 0}
START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=timezone.utc)


class _Written:
    """A carrier that keeps what it is given, as frames."""

    def __init__(self):
        self.events = []

    def write(self, event):
        self.events.append(event)

    def flush(self): ...

    def close(self): ...


def _run(lines, *, digest=False):
    """The events of a run that prints, and what its runner writes."""
    kept = _Written()
    carrier = closed(kept, {"digest": digest})
    producer = Producer(RUN)
    carrier.write(producer.event("state", {"state": "running"}))
    for number, line in enumerate(lines):
        carrier.write(producer.event("log", {"stream": "stdout", "text": line}))
        carrier.write(producer.event("result", {"values": {f"r{number}": number}}))
    carrier.write(producer.event("end", {"state": "completed"}))
    return kept.events


def _log(events, step, foreign=b""):
    """The container's log with the kubelet's times, ``step`` seconds apart, as lines with their time."""
    text = foreign + b"".join(frame for event in events for frame in encode(event, TOKEN))
    lines = []
    for number, line in enumerate(text.split(b"\n")[:-1]):
        moment = START + timedelta(seconds=number * step)
        lines.append((moment, moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode() + b" " + line + b"\n"))
    return lines


def _since(lines, since):
    """What the API gives: it knows whole seconds."""
    if not since:
        return lines
    from_moment = datetime.fromisoformat(since[:19] + "+00:00")
    return [(moment, line) for moment, line in lines if moment >= from_moment]


texts = st.lists(st.text(max_size=9000), min_size=1, max_size=8)


@given(texts, st.sampled_from([0.0001, 0.3, 1.7]), st.lists(st.integers(1, 12), max_size=12))
def test_wherever_a_reader_is_replaced_each_event_comes_once(lines, step, cuts):
    events = _run(lines)
    log = _log(events, step, b"before\n")
    found, cursor = [], {}
    for cut in [*cuts, len(log)]:
        reader = Reader(TOKEN, json.loads(json.dumps(cursor)))
        there = _since(log, reader.since)
        for _, line in there[: cut + sum(moment <= _moment(reader.since) for moment, _ in there)]:
            found += reader.feed(line)
            cursor = reader.cursor
    assert found == events
    assert cursor["ended"]
    assert "missing" not in cursor


def _moment(since):
    return datetime.fromisoformat(since[:26] + "+00:00") if since else START - timedelta(days=1)


@given(texts, st.integers(0, 60), st.integers(1, 3000))
def test_whatever_is_cut_off_at_the_beginning_the_digest_brings_all_but_the_log(lines, cut, piece):
    events = _run(lines, digest=True)
    data = b"".join(line for _, line in _log(events, 0.001)[cut:])
    reader, found = Reader(TOKEN, {}), []
    for start in range(0, len(data), piece):
        found += reader.feed(data[start : start + piece])
    numbers = [event["seq"] for event in found]
    assert len(numbers) == len(set(numbers))
    if data.count(b"#fw1") and found:
        wanted = {event["seq"] for event in events if event.get("kind") not in ("log", None)}
        assert wanted <= set(numbers) or not _digest_is_whole(events, data)


def _digest_is_whole(events, data):
    return all(frame.strip(b"\n") in data for frame in encode(events[-1], TOKEN))


def test_foreign_text_is_remembered_as_evidence_and_is_no_event():
    reader = Reader(TOKEN, {})
    assert reader.feed(b"2026-11-24T12:00:00.1Z no readable submission\nunable to retrieve container logs\n") == []
    assert b"no readable submission" in reader.said
    assert b"unable to retrieve" in reader.said
    assert reader.cursor["since"] == "2026-11-24T12:00:00.1Z"


def test_behind_the_digest_nothing_is_waited_for_whatever_is_missing():
    """As of a log that was rotated in the midst, in a pod that stays."""
    events = _run(["one", "two", "three"], digest=True)
    rest = [events[0], *events[4:]]
    reader = Reader(TOKEN, {})
    *before, last = [line for _, line in _log(rest, 0.001)]
    for line in before:
        reader.feed(line)
    assert reader.ended
    assert not reader.done
    assert "ended" not in reader.cursor
    reader.feed(last)
    assert reader.done
    assert reader.cursor["missing"] == [[2, 2], [4, 4]]
    assert Reader(TOKEN, reader.cursor).done
    assert reader.is_enough(follow=True)
    assert not reader.is_enough(follow=False), "the end of the log may come again"
    found = [event for _, line in _log([events[1]], 0.001) for event in reader.feed(line)]
    assert found == [events[1]]


def _read(events, note, *, cut=0):
    """What a reader gives of a run that is over, and the reader; ``cut`` lines of the log's end are not there."""
    reader = Reader(TOKEN, {})
    reader.begin(note)
    lines = [line for _, line in _log(events, 0.001)]
    found = [event for line in lines[: len(lines) - cut] for event in reader.feed(line)]
    return found + reader.rest(), reader


def _note(events, state="completed"):
    return {"state": state, "cause": None, "message": "", "exit_code": 0, "digest": hash_of(events[-1])}


def test_a_digest_of_the_hash_that_is_noted_brings_what_is_missing_and_the_end_behind_it():
    events = _run(["one", "two"], digest=True)
    found, reader = _read([events[0], *events[3:]], _note(events))
    assert [(event["seq"], event["kind"]) for event in found][-2:] == [(3, "result"), (6, "end")]
    assert "message" not in found[-1]["data"]
    assert reader.done
    assert reader.doubt == ""


def test_a_digest_that_was_changed_is_not_taken_and_the_end_says_so():
    events = _run(["one", "two"], digest=True)
    changed = json.loads(json.dumps(events[-1]))
    changed["events"][1]["data"] = {"values": {"r0": "another"}}
    found, _ = _read([events[0], *events[3:-1], changed], _note(events))
    assert [event["seq"] for event in found] == [1, 4, 5, 6], "of the missing ones none"
    assert found[-1]["data"]["state"] == "completed"
    for each in (events[-1], changed):
        assert hash_of(each) in found[-1]["data"]["message"]


def test_what_is_noted_stands_against_an_end_whose_log_was_changed():
    events = _run(["one"], digest=True)
    note = {**_note(events, "failed"), "cause": "UserError", "message": "ValueError: bad", "exit_code": 1}
    found, _ = _read([*events[:-1], {**events[-1], "cut": 1}], note)
    end = found[-1]["data"]
    assert (end["state"], end["cause"], end["exit_code"]) == ("failed", "UserError", 1)
    assert end["message"].startswith("ValueError: bad (the closing digest of its log is sha256:")


def test_a_digest_that_is_cut_off_is_said_where_something_is_missing():
    events = _run(["x" * 9000, "two"], digest=True)
    found, reader = _read([events[0], *events[3:]], _note(events), cut=1)
    assert found[-1]["kind"] == "end"
    assert "cut off" in found[-1]["data"]["message"]
    assert not reader.done
    found, reader = _read(events, _note(events), cut=1)
    assert found == events[:-1], "nothing is missing"
    assert reader.done


def test_of_two_digests_the_right_one_is_taken():
    events = _run(["one"], digest=True)
    found, reader = _read([events[0], events[-2], {**events[-1], "cut": 1}, events[-1]], _note(events))
    assert "message" not in found[-1]["data"]
    assert {event["seq"] for event in found} == {1, 3, 4}
    assert reader.done


@pytest.mark.parametrize("step", [0.0001, 1.7])
def test_whoever_goes_on_where_the_end_was_held_back_gets_it(step):
    events = _run(["one"], digest=True)
    *before, last = _log([events[0], *events[2:]], step)
    first = Reader(TOKEN, {})
    first.begin(_note(events))
    found = [event for _, line in before for event in first.feed(line)]
    assert "end" not in {event["kind"] for event in found}
    second = Reader(TOKEN, json.loads(json.dumps(first.cursor)))
    second.begin(_note(events))
    found += [event for _, line in _since([*before, last], second.since) for event in second.feed(line)]
    assert [event["kind"] for event in found] == ["state", "result", "end"]
    assert second.done
