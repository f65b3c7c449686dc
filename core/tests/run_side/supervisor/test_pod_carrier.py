"""What a carrier of frames does for a pod: the closing digest, the note of the end, the limit to the log."""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from framework.engine.apply import merge
from framework_run import digest, holding
from framework_run.events import Event, Producer
from framework_run.frames import Decoder
from framework_run.signals import Requests

Start = Callable[..., Any]

RUN: dict[str, Any] = {"metadata": {"uid": "0198", "project": "default"}, "spec": {}, "status": {"state": "created"}}
WORK = """
from framework import context

def main():
    run = context()
    for number in range(400):
        run.log_metric("loss", 1 / (number + 1))
        if number % 100 == 99:
            run.flush()
    run.set_label("size", "small")
    with run.child_run("fold", {"number": 1}) as fold:
        fold.log_result("score", 0.5)
    for number in range(20_000):
        print("line", number, flush=False)
    return 7
"""


class Printed:
    """A stream as it was printed, taken apart."""

    def __init__(self, stream: bytes) -> None:
        decoder = Decoder("tok3n")
        found = [item for item in [*decoder.feed(stream), *decoder.close()] if isinstance(item, dict)]
        self.events: list[Event] = [item for item in found if not digest.is_digest(item)]
        self.digests: list[dict[str, Any]] = [item for item in found if digest.is_digest(item)]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["kind"] == kind]

    def log(self, stream: str) -> str:
        return "".join(data["text"] for data in self.of("log") if data["stream"] == stream)


@pytest.fixture
def printed(tmp_path: Path, handler: Start) -> Callable[..., bytes]:
    """Run a function with its frames in a file, as a container's log is; give the file."""

    def call(source: str, carrier: dict[str, Any], *, status: int = 0, **parts: Any) -> bytes:
        with (tmp_path / "printed").open("wb") as file:
            run = handler(source, popen={"stdout": file}, carrier={"type": "frames", **carrier}, **parts)
            assert run.status == status
        return (tmp_path / "printed").read_bytes()

    return call


def note_of(path: Path) -> dict[str, Any]:
    assert path.stat().st_size <= 4096
    return digest.read_note(path.read_text("utf-8"))


def test_a_carrier_that_asks_for_nothing_prints_events_alone(printed: Callable[..., bytes]) -> None:
    found = Printed(printed("def main():\n    return 7\n", {}))
    assert found.digests == []
    assert found.of("end")[0]["state"] == "completed"


def test_the_digest_says_everything_but_the_log_and_the_note_has_its_hash(
    printed: Callable[..., bytes], tmp_path: Path
) -> None:
    note_path = tmp_path / "note"
    found = Printed(printed(WORK, {"digest": True, "termination": str(note_path)}))
    (document,) = found.digests
    assert digest.events_of(document) == [event for event in found.events if event["kind"] != "log"]
    assert document["cut"] == 0
    assert note_of(note_path) == {
        "state": "completed",
        "cause": None,
        "message": "",
        "exit_code": 0,
        "events": len(found.events),
        "digest": digest.hash_of(document),
    }


def test_a_log_whose_beginning_was_rotated_away_still_has_the_whole_run(
    printed: Callable[..., bytes], tmp_path: Path
) -> None:
    stream = printed(WORK, {"digest": True, "termination": str(tmp_path / "note")})
    whole = merge(RUN, {}, Printed(stream).events)
    (document,) = Printed(stream[-100_000:]).digests
    assert digest.hash_of(document) == note_of(tmp_path / "note")["digest"]
    rest = merge(RUN, {}, digest.events_of(document))
    again = merge(rest.document, rest.ledger, Printed(stream[-100_000:]).events)
    for merged in (rest, again):
        status = merged.document["status"]
        assert (status["state"], status["provisional"], status["results"]) == ("completed", False, {"return": 7})
        assert status["metrics"] == whole.document["status"]["metrics"]
        assert status["gaps"] != []
    assert rest.metrics == whole.metrics
    assert [child.document for child in rest.children] == [child.document for child in whole.children]


@pytest.mark.parametrize("seed", range(3))
def test_frames_and_digest_in_any_split_give_the_same_run(
    printed: Callable[..., bytes], tmp_path: Path, seed: int
) -> None:
    stream = printed(WORK, {"digest": True})
    found = Printed(stream)
    events = [*found.events, *digest.events_of(found.digests[0])]
    random.Random(seed).shuffle(events)
    merged = merge(RUN, {}, events[:50])
    merged = merge(merged.document, merged.ledger, events[50:])
    assert merged.document == merge(RUN, {}, found.events).document


def test_of_more_than_a_digest_holds_the_oldest_metrics_go_first_and_that_is_said(
    printed: Callable[..., bytes], tmp_path: Path
) -> None:
    source = """
    from framework import context

    def main():
        run = context()
        run.log_result("first", 1)
        for number in range(60_000):
            run.log_metric("loss", number / 7)
        return 7
    """
    found = Printed(printed(source, {"digest": True, "termination": str(tmp_path / "note")}))
    (document,) = found.digests
    kept = digest.events_of(document)
    assert len(json.dumps(kept, separators=(",", ":"))) <= digest.LIMIT + 4096
    said = [event for event in found.events if event["kind"] != "log"]
    left_out = [event for event in said if event not in kept]
    assert document["cut"] == len(left_out) > 0
    assert {event["kind"] for event in left_out} == {"metric"}
    metrics = [event for event in said if event["kind"] == "metric"]
    assert left_out == metrics[: len(left_out)]
    assert note_of(tmp_path / "note")["digest"] == digest.hash_of(document)


def test_of_progress_and_peaks_the_digest_has_the_latest(printed: Callable[..., bytes]) -> None:
    source = """
    import time
    from framework import context

    def main():
        for number in range(3):
            context().progress(number, 3)
            time.sleep(0.15)
        context().progress(3, 3)
    """
    found = Printed(printed(source, {"digest": True}))
    kept = [event["data"] for event in digest.events_of(found.digests[0]) if event["kind"] == "progress"]
    assert [data["done"] for data in kept] == [3]
    assert len(found.of("progress")) > 1


def test_a_failure_is_in_the_note_within_its_limit(printed: Callable[..., bytes], tmp_path: Path) -> None:
    source = "def main():\n    raise ValueError('ß€\\x00\"' * 50_000)\n"
    printed(source, {"termination": str(tmp_path / "note")}, status=1)
    note = note_of(tmp_path / "note")
    assert (note["state"], note["cause"], note["exit_code"]) == ("failed", "UserError", 1)
    assert note["message"].startswith("ValueError: ß€")
    assert "digest" not in note


def test_a_note_that_cannot_be_written_changes_no_end(printed: Callable[..., bytes], tmp_path: Path) -> None:
    carrier = {"digest": True, "termination": str(tmp_path / "no folder" / "note")}
    found = Printed(printed("def main():\n    return 7\n", carrier))
    assert found.of("end")[0]["state"] == "completed"
    assert len(found.digests) == 1


def test_what_is_asked_to_end_says_its_digest_as_well(handler: Start, tmp_path: Path) -> None:
    carrier = {"type": "frames", "digest": True, "termination": str(tmp_path / "note"), "log": {"first": 0, "last": 9}}
    with (tmp_path / "printed").open("wb") as file:
        source = "import time\ndef main():\n    print('working')\n    time.sleep(60)\n"
        run = handler(source, popen={"stdout": file}, carrier=carrier)
        run.until(lambda: Printed((tmp_path / "printed").read_bytes()).log("system"))
        run.process.send_signal(signal.SIGTERM)
        assert run.status == 1
    found = Printed((tmp_path / "printed").read_bytes())
    assert found.log("stdout") == "working\n"
    assert digest.events_of(found.digests[0])[-1]["data"]["state"] == "aborted"
    assert note_of(tmp_path / "note")["state"] == "aborted"


def test_the_middle_of_a_long_log_is_left_out_and_counted(printed: Callable[..., bytes]) -> None:
    source = "def main():\n    for number in range(100_000):\n        print(f'{number:09}')\n    return 7\n"
    found = Printed(printed(source, {"digest": True, "log": {"first": 100_000, "last": 200_000}}))
    log = found.log("stdout")
    numbers = [int(line) for line in log.split()]
    (dropped,) = found.of("dropped")
    cuts = [index for index in range(1, len(numbers)) if numbers[index] != numbers[index - 1] + 1]
    assert len(cuts) == 1
    assert (numbers[0], numbers[-1]) == (0, 99_999)
    assert 200_000 < len(log) <= 300_010
    assert dropped == {"lines": 100_000 - len(numbers), "bytes": 1_000_000 - len(log)}
    assert "over 100,000 bytes" in found.log("system")
    assert [event["seq"] for event in found.events] == list(range(1, len(found.events) + 1))
    status = merge(RUN, {}, found.events).document["status"]
    assert status["state"] == "completed"
    assert status["gaps"] == [f"the runner left out {dropped['lines']} log lines ({dropped['bytes']} bytes)"]


def test_a_termination_message_of_another_kind_is_no_note() -> None:
    assert [digest.read_note(text) for text in ("", "Traceback…", "[1]", '{"a": 1}')] == [{}, {}, {}, {}]


def test_an_event_is_no_digest() -> None:
    with pytest.raises(ValueError, match="no closing digest"):
        digest.events_of({"v": 1, "kind": "end"})


KEEPING = """
import os
from framework import context

def main():
    with open("model.bin", "wb") as file:
        file.write(os.urandom(100_000))
    context().log_artifact("small", b"x", format="bytes")
    with context().child_run("fold"):
        context().log_artifact("model", "model.bin")
"""


def inline(folder: Path) -> dict[str, Any]:
    options = {"limit": 50_000, "keep": str(folder)}
    return {"storage": {"target": "framework_run.inlinestore:Store", "options": options}}


def test_what_is_too_large_for_events_fails_the_run_and_is_left_until_somebody_came_for_it(
    handler: Start, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    carrier = {"type": "frames", "digest": True, "hold": {"folder": str(kept), "seconds": 600}}
    with (tmp_path / "printed").open("wb") as file:
        run = handler(KEEPING, popen={"stdout": file}, carrier=carrier, artifacts=inline(kept), workdir=str(tmp_path))
        run.until(lambda: Printed((tmp_path / "printed").read_bytes()).digests)
        assert run.process.poll() is None, "it stays"
        assert [path.read_bytes() for path in kept.iterdir()] == [(tmp_path / "model.bin").read_bytes()]
        run.process.send_signal(signal.SIGTERM)
        assert run.status == 1
    found = Printed((tmp_path / "printed").read_bytes())
    end = found.of("end")[-1]
    assert (end["state"], end["cause"]) == ("failed", "BackendError")
    assert "artifact 'model' could not be stored: the run reaches no storage" in end["message"]
    assert str(kept) in end["advice"]
    (small,) = found.of("artifact")
    assert zlib.decompress(base64.b64decode(small["content"])) == b"x"


@pytest.mark.parametrize(("seconds", "files"), [(0.2, ["0-model"]), (600, [])])
def test_it_stays_no_longer_than_asked_and_not_for_nothing(
    printed: Callable[..., bytes], tmp_path: Path, seconds: float, files: list[str]
) -> None:
    for name in files:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / name).touch()
    hold = {"folder": str(tmp_path / "kept"), "seconds": seconds}
    assert Printed(printed("def main():\n    return 7\n", {"hold": hold})).of("end")[0]["state"] == "completed"


HOUR = 3600.0


class Elsewhere:
    """A carrier that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[Event] = []

    def write(self, event: Event) -> None:
        self.taken.append(event)

    def flush(self) -> None: ...

    def close(self) -> None: ...


def ended(carrier: Elsewhere, lines: Sequence[str] = ()) -> digest.Closing:
    """A run that has said its end and its digest."""
    closing = digest.closed(carrier, {"digest": True})
    producer = Producer({"uid": "0198"})
    for line in lines:
        closing.write(producer.event("log", {"stream": "stdout", "text": line}))
    closing.write(producer.event("result", {"values": {"a": 1}}))
    closing.write(producer.event("end", {"state": "completed"}))
    return closing


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait; none of them is waited."""
    found: list[float] = []
    monkeypatch.setattr(holding, "_wait", lambda seconds, _requests: found.append(seconds))
    return found


@pytest.mark.parametrize(
    ("written", "hold", "expected"),
    [
        (holding.LONG // 2, 0.0, []),
        (holding.LONG, 0.0, [holding.ROTATION]),
        (holding.LONG, 5.0, [holding.ROTATION]),
        (0, 5.0, [5.0]),
        (0, HOUR, [holding.ROTATION, HOUR - holding.ROTATION]),
    ],
)
def test_the_digest_is_said_again_when_a_node_may_have_rotated_it_and_at_the_very_end(
    waits: list[float], tmp_path: Path, written: int, hold: float, expected: list[float]
) -> None:
    carrier = Elsewhere()
    closing = ended(carrier, ["x" * written])
    (tmp_path / "left").touch()
    options = {"digest": True, "hold": {"folder": str(tmp_path), "seconds": hold}}
    holding.stay(options, closing, Requests())
    assert waits == expected
    said = [item for item in carrier.taken if digest.is_digest(item)]
    assert said == said[:1] * (1 + len(expected))


def test_with_the_digest_the_end_of_the_log_is_said_again() -> None:
    carrier = Elsewhere()
    closing = ended(carrier, lines=["a" * digest.TAIL, "b" * (digest.TAIL // 2), "c\n"])
    before = len(carrier.taken)
    closing.say_again()
    again = carrier.taken[before:]
    assert [item["data"]["text"][:1] for item in again[:-1]] == ["b", "c"]
    assert all(item in carrier.taken[:before] for item in again)


def test_a_long_log_keeps_nobody_who_is_asked_to_go(
    printed: Callable[..., bytes], handler: Start, tmp_path: Path
) -> None:
    """With it all the same: the stream ends with the digest, of the same hash."""
    source = "def main():\n    for _ in range(10):\n        print('x' * 1_000_000)\n    return 7\n"
    with (tmp_path / "printed").open("wb") as file:
        carrier = {"type": "frames", "digest": True, "termination": str(tmp_path / "note")}
        run = handler(source, popen={"stdout": file}, carrier=carrier)
        run.until((tmp_path / "note").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(1)  # it stays; who asks before it has come to that asks for no second digest
        run.process.send_signal(signal.SIGTERM)
        assert run.status == 0
    first, second = Printed((tmp_path / "printed").read_bytes()).digests
    assert first == second
    assert digest.hash_of(second) == note_of(tmp_path / "note")["digest"]
