"""Attempts after the first: when, by whom, with what, and how they are ended."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import framework as fw
from framework.engine import claims, retrying
from framework.engine.aborting import abort
from framework.engine.apply import merge
from framework.engine.attempts import USUAL, delay, policy_of
from framework.engine.collect import collect
from framework.engine.execute import Follower, execute
from framework.engine.notes import note
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.engine.retrying import start_due
from framework.engine.session import Session, current
from framework.engine.whereabouts import is_left_to_another
from framework.models.causes import ENDED
from framework.models.function import Retry
from framework.runtimes import Observation, Runtime
from framework_run import ends
from framework_run.events import Event, Producer

UID = "01900000-0000-7000-8000-000000000001"

TWICE = """
import os, sys, time
from pathlib import Path
import framework as fw
def main(marks: str, fails: int = 1):
    attempt = fw.context().attempt
    print("attempt", attempt)
    (Path(marks) / f"{attempt}.{os.getpid()}").touch()
    if attempt <= fails:
        raise ValueError(f"attempt {attempt}")
    return attempt
"""


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    for name in ("DB", "STORAGE", "PROJECT", "PLUGINS"):
        monkeypatch.delenv(f"FRAMEWORK_{name}", raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))


@pytest.fixture
def session() -> Session:
    return current()


@pytest.fixture
def planned(session, tmp_path):
    def make(code: str = TWICE, *, retry: dict[str, Any], on: Session = session, **params: Any):
        path = tmp_path / "job.py"
        path.write_text(code)
        marks = tmp_path / "marks"
        marks.mkdir(exist_ok=True)
        request = RunRequest(
            target=str(path), handler="main", params={"marks": str(marks), **params}, retry={"backoff": 0, **retry}
        )
        return plan(on, request)

    return make


def run_of(retry: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"uid": UID, "name": "train"},
        "spec": {"kind": "local", "retry": retry},
        "status": {"state": "pending", "created": 1.0},
    }


def story(attempt: int, end: dict[str, Any]) -> list[Event]:
    producer = Producer({"uid": UID, "attempt": attempt})
    return [
        producer.event("state", {"state": "running", "pid": 7}, at=10.0 * attempt),
        producer.event("result", {"values": {"n": attempt}}, at=10.0 * attempt + 1),
        producer.event("end", end, at=10.0 * attempt + 2),
    ]


def status_after(retry: dict[str, Any], *batches: list[Event]) -> dict[str, Any]:
    document, ledger = run_of(retry), {}
    for batch in batches:
        merged = merge(document, ledger, batch)
        document, ledger = merged.document, merged.ledger
    found: dict[str, Any] = document["status"]
    return found


# The rule


def test_a_run_whose_attempt_failed_waits_for_the_next_and_says_when():
    status = status_after({"attempts": 3}, story(1, ends.lost("gone")))
    assert (status["state"], status["cause"], status["ended"]) == ("pending", None, None)
    assert status["retry"]["attempt"] == 2
    assert 12.0 <= status["retry"]["due"] <= 13.0
    assert status["message"].startswith("attempt 1 of 3 failed (Lost: gone); the next is due at 1970-01-01 00:00:1")
    assert [row["state"] for row in status["attempts"]] == ["failed", "pending"]
    assert status["results"] == {}
    assert status["attempts"][0]["results"] == {"n": 1}


@pytest.mark.parametrize(
    "end",
    [
        ends.user_error("boom"),
        ends.bad_input("no"),
        ends.aborted(),
        ends.completed(),
        {**ends.lost("gone"), "retryable": False},
    ],
)
def test_other_ends_are_final(end):
    status = status_after({"attempts": 3}, story(1, end))
    assert (status["state"], status["retry"]) == (end["state"], {})


def test_a_cause_can_be_chosen_and_then_no_other_counts():
    chosen = {"attempts": 2, "on": ["UserError"]}
    assert status_after(chosen, story(1, ends.user_error("boom")))["state"] == "pending"
    assert status_after(chosen, story(1, ends.lost("gone")))["state"] == "failed"


def test_the_last_attempt_is_the_last():
    status = status_after({"attempts": 2}, story(1, ends.lost("1")), story(2, ends.lost("2")))
    assert (status["state"], status["message"], status["retry"]) == ("failed", "2", {})


def test_a_run_without_a_policy_has_no_word_of_retries():
    document = run_of({})
    assert "retry" not in merge(document, {}, story(1, ends.lost("gone"))).document["status"]


def test_an_attempt_that_was_asked_to_end_is_not_repeated_whatever_ended_it():
    asked = [note(UID, 1, "abort", {})]
    assert status_after({"attempts": 3}, asked, story(1, ends.lost("gone")))["state"] == "failed"
    assert status_after({"attempts": 3}, story(1, ends.lost("gone")), asked)["state"] == "failed"


def test_a_final_record_that_comes_late_ends_the_waiting():
    events = story(1, ends.completed())
    observed = note(UID, 1, "end", {**ends.lost("gone"), "provisional": True})
    assert status_after({"attempts": 3}, events[:2], [observed])["state"] == "pending"
    assert status_after({"attempts": 3}, events[:2], [observed], events[2:])["state"] == "completed"


@given(st.randoms(use_true_random=False), st.integers(1, 7))
def test_order_and_batches_do_not_matter(chance: random.Random, size: int):
    events = [*story(1, ends.lost("1")), *story(2, ends.out_of_memory("2")), *story(3, ends.completed())]
    policy = {"attempts": 4}
    shuffled = events + chance.sample(events, size)
    chance.shuffle(shuffled)
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    assert status_after(policy, *batches) == status_after(policy, events)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(2, 5_000), st.text(st.characters(codec="ascii"), max_size=40))
def test_the_backoff_keeps_to_its_bounds_and_is_the_same_for_all(backoff, cap, number, uid):
    policy = Retry(backoff=backoff, backoff_cap=cap)
    found = delay(policy, uid, number)
    assert 0 <= found <= cap
    assert number > 60 or found <= backoff * 2.0 ** (number - 2)
    assert found == delay(policy, uid, number)


def test_the_backoff_is_spread_over_all_of_its_span():
    shares = [delay(Retry(backoff=1.0), f"run {number}", 2) for number in range(1_000)]
    assert 0.45 < sum(shares) / 1_000 < 0.55
    assert (min(shares) < 0.01, max(shares) > 0.99) == (True, True)


def test_unknown_fields_of_a_newer_policy_are_passed_over():
    assert policy_of(run_of({"attempts": 2, "newer": 1})).attempts == 2


def test_a_clock_that_was_set_back_prolongs_nothing():
    run = {"status": {"retry": {"due": time.time() + 86_400, "delay": 2.0}}}
    assert retrying.time_left(run) == 0


# Claims


def waiting_run(session: Session, *, attempts: int = 3) -> str:
    run = run_of({"attempts": attempts, "backoff": 0})
    session.database.create_run(run, handle={"kind": "local", "run": {"uid": UID, "attempt": 1}})
    session.database.apply(UID, story(1, ends.lost("gone")))
    return UID


def test_one_of_many_gets_the_start(session):
    waiting_run(session)
    barrier = threading.Barrier(8)

    def attempt() -> str:
        run = session.database.run(UID)
        barrier.wait()
        return claims.claim(session, run)

    with ThreadPoolExecutor(8) as pool:
        tokens = [each.result() for each in [pool.submit(attempt) for _ in range(8)]]
    assert len([token for token in tokens if token]) == 1


def test_the_claim_of_a_process_that_is_gone_is_taken_over_once(session, monkeypatch):
    waiting_run(session)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: gone.pid)
        assert claims.claim(session, session.database.run(UID))
    run = session.database.run(UID)
    assert claims.claim(session, run)
    assert claims.claim(session, run) == ""


def test_the_claim_of_another_machine_holds_for_ten_minutes(session, monkeypatch):
    waiting_run(session)
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "elsewhere")
        assert claims.claim(session, session.database.run(UID))
    run = session.database.run(UID)
    assert claims.claim(session, run) == ""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert claims.claim(session, run)


def test_who_has_no_claim_ends_nothing(session):
    waiting_run(session)
    run = session.database.run(UID)
    assert claims.claim(session, run)
    claims.end_unstarted(session, run, "another", ends.aborted())
    assert session.database.run(UID)["status"]["state"] == "pending"


def test_a_run_that_waits_is_aborted_from_anywhere(session):
    waiting_run(session)
    abort(session, UID, 10.0)
    status = session.database.run(UID)["status"]
    assert (status["state"], status["cause"]) == ("aborted", "Aborted")
    assert "waited for its next attempt" in status["message"]
    assert collect(session) == []


def test_an_attempt_that_was_started_and_has_said_nothing_yet_is_not_started_again(session, monkeypatch):
    waiting_run(session)
    stale = session.database.run(UID)
    assert claims.claim(session, stale)
    session.database.set_handle(UID, {"kind": "local", "run": {"uid": UID, "attempt": 2}})
    monkeypatch.setattr(claims, "_is_gone", lambda _claim: True)
    assert retrying.start_due(session, stale) is False
    assert session.database.run(UID)["status"]["state"] == "pending"


class Restarting(Runtime):
    """A backend that starts an attempt again by itself: its events are of the next number, under the same handle."""

    def __init__(self) -> None:
        first, second = story(1, ends.lost("gone")), story(2, ends.completed())
        lost = note(UID, 1, "end", {**ends.lost("its worker is gone"), "provisional": True})
        self.batches = [first[:1], [lost, *second[:1]], second[1:]]
        self.cleaned = self.given = 0

    def validate(self, function): ...

    def render(self, submission): ...

    def submit(self, submission): ...

    def cancel(self, handle, grace): ...

    def observe(self, handle):
        return Observation(alive=True)

    def follow(self, handle, cursor, *, wait=True):
        for batch in self.batches[self.given : self.given + 1]:
            self.given += 1
            yield batch, {"at": self.given}

    def cleanup(self, handle):
        assert self.given == 3
        self.cleaned += 1


@pytest.mark.parametrize("retry", [{}, {"attempts": 5, "backoff": 0}])
def test_attempts_that_the_backend_starts_itself_are_followed_to_their_end(session, retry):
    handle = {"kind": "local", "run": {"uid": UID, "attempt": 1}}
    session.database.create_run(run_of(retry), handle=handle)
    runtime = Restarting()
    status = Follower(session, runtime, UID, handle).follow()["status"]
    assert (status["state"], status["results"], runtime.cleaned) == ("completed", {"n": 2}, 1)
    assert [row["state"] for row in status["attempts"]] == ["failed", "completed"]


# With the kind local


def test_a_run_is_repeated_until_it_is_completed(session, planned, tmp_path):
    run = execute(session, planned(retry={"attempts": 3, "on": ["UserError"]}, fails=2))
    status = run["status"]
    assert (status["state"], status["results"]) == ("completed", {"return": 3})
    assert [row["state"] for row in status["attempts"]] == ["failed", "failed", "completed"]
    uid = run["metadata"]["uid"]
    for attempt in (1, 2, 3):
        text = b"".join(chunk.data for chunk in session.database.log(uid, attempt=attempt))
        assert text.startswith(f"attempt {attempt}\n".encode())
    assert list((tmp_path / "home" / "runs").iterdir()) == []


def test_code_that_was_changed_meanwhile_is_run_as_it_was(session, planned, tmp_path):
    code = TWICE.replace("raise", "Path(__file__).write_text('def main(marks, fails): return -1')\n        raise")
    run = execute(session, planned(code, retry={"attempts": 2, "on": ["UserError"]}))
    assert run["status"]["results"] == {"return": 2}


def test_what_lies_beside_the_code_is_there_for_every_attempt(session, planned, tmp_path):
    (tmp_path / "beside.txt").write_text("here")
    code = TWICE.replace("return attempt", "return (Path(__file__).parent / 'beside.txt').read_text()")
    run = execute(session, planned(code, retry={"attempts": 2, "on": ["UserError"]}))
    assert run["status"]["results"] == {"return": "here"}


def test_a_run_whose_client_is_gone_is_repeated_by_whoever_looks(session, planned, tmp_path):
    run = execute(session, planned(retry={"attempts": 3, "on": ["UserError"]}, fails=2), watch=False)
    uid = run["metadata"]["uid"]
    ended = until(session, uid, lambda status: status["state"] in ENDED)
    assert (ended["state"], ended["results"]) == ("completed", {"return": 3})
    assert len(list((tmp_path / "marks").iterdir())) == 3


@pytest.mark.slow
def test_of_many_who_look_at_once_one_starts_the_attempt(session, planned, tmp_path):
    run = execute(session, planned(retry={"attempts": 2, "on": ["UserError"]}), watch=False)
    uid = run["metadata"]["uid"]
    words = [sys.executable, "-m", "framework", "runs", "sync"]
    deadline = time.monotonic() + 60
    while session.database.run(uid)["status"]["state"] not in ENDED:
        assert time.monotonic() < deadline
        started = [subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(4)]
        for process in started:
            _, err = process.communicate()
            assert process.returncode == 0, err
    assert sorted(path.name.partition(".")[0] for path in (tmp_path / "marks").iterdir()) == ["1", "2"]


def test_a_client_that_died_when_it_had_started_an_attempt_is_made_good(session, planned, tmp_path):
    run = execute(session, planned(retry={"attempts": 2, "on": ["UserError"]}), watch=False)
    uid = run["metadata"]["uid"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session.database, "set_handle", lambda *_: None)  # it is gone before it comes to this
        until(session, uid, lambda status: "claim" in status.get("retry", {}))
    ended = until(session, uid, lambda status: status["state"] in ENDED)
    assert (ended["state"], ended["results"]) == ("completed", {"return": 2})
    assert len(list((tmp_path / "marks").iterdir())) == 2


@pytest.fixture
def elsewhere(session, planned, tmp_path, monkeypatch):
    """A run that waits for its second attempt, seen from a machine without its code; gives its uid and the way back."""
    run = execute(session, planned(retry={"attempts": 2, "on": ["UserError"]}), watch=False)
    uid, kept, away = run["metadata"]["uid"], tmp_path / "home" / "artifacts", tmp_path / "away"
    kept.rename(away)
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "elsewhere")
        until(session, uid, lambda status: status.get("retry"))

        def back() -> None:
            patch.undo()
            away.rename(kept)

        yield uid, back


def test_an_attempt_whose_code_is_on_another_machine_is_left_to_that(session, elsewhere):
    uid, back = elsewhere
    for _ in range(3):
        assert not start_due(session, session.database.run(uid))
    assert session.database.run(uid)["status"]["state"] == "pending"
    back()
    ended = until(session, uid, lambda status: status["state"] in ENDED)
    assert (ended["state"], ended["results"]) == ("completed", {"return": 2})


def test_code_that_another_machine_has_kept_too_is_repeated_from_here(session, planned, tmp_path, monkeypatch):
    retry = {"attempts": 2, "on": ["UserError"]}
    execute(session, planned(retry=retry, fails=0))
    (tmp_path / "home" / "artifacts").rename(tmp_path / "away")  # as of a database that both share
    shutil.rmtree(tmp_path / "home" / "cache", ignore_errors=True)
    monkeypatch.setenv("FRAMEWORK_STORAGE", (tmp_path / "ours").as_uri())
    ours = Session()
    ran = execute(ours, planned(retry=retry, fails=1, on=ours))
    assert (ran["status"]["state"], len(ran["status"]["attempts"])) == ("completed", 2)


def test_what_another_machine_does_not_begin_in_ten_minutes_ends_with_the_reason(session, elsewhere, monkeypatch):
    uid, _ = elsewhere
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 601)
        assert start_due(session, session.database.run(uid))
    status = session.database.run(uid)["status"]
    assert (status["state"], status["cause"]) == ("failed", "BackendError")
    assert "is not there" in status["message"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_an_input_that_is_on_another_machine_leaves_it_to_that(session, planned, tmp_path, monkeypatch, where):
    run = execute(session, planned(retry={"attempts": 2, "on": ["UserError"]}), watch=False)
    waiting = until(session, run["metadata"]["uid"], lambda status: status.get("retry"))
    if where == "elsewhere":
        monkeypatch.setattr("platform.node", lambda: "elsewhere")
    document = {**run, "status": {**run["status"], **waiting}}
    for inputs, left in (({"a": "gone.csv"}, where == "elsewhere"), ({"a": "job.py", "b": "s3://b/k"}, False)):
        document["spec"] = {**run["spec"], "inputs": inputs}
        document["status"]["environment"] = {**run["status"]["environment"], "folder": str(tmp_path)}
        assert is_left_to_another(session, document) is left


@pytest.mark.parametrize("error", ["ValueError", "MemoryError"])  # after the second, its resources are looked up
def test_a_function_that_is_gone_ends_the_run_with_the_reason(session, planned, error):
    code = TWICE.replace("raise ValueError", f"raise {error}")
    run = execute(session, planned(code, retry={"attempts": 3, "on": ["UserError", "OutOfMemory"]}), watch=False)
    session.database.delete_function("default", "job")
    status = until(session, run["metadata"]["uid"], lambda status: status["state"] in ENDED)
    assert (status["state"], status["cause"]) == ("failed", "BadInput")
    assert "could not be started" in status["message"]


def test_ctrl_c_while_it_waits_ends_it_aborted(session, planned):
    def interrupt(event: Event) -> None:
        if event["data"].get("state") == "pending":
            raise KeyboardInterrupt

    run = execute(
        session,
        planned(retry={"attempts": 2, "on": ["UserError"], "backoff": 1e6, "backoff_cap": 1e6}),
        on_event=interrupt,
    )
    assert (run["status"]["state"], run["status"]["cause"]) == ("aborted", "Aborted")
    assert [row["state"] for row in run["status"]["attempts"]] == ["failed", "aborted"]


# Inline


def test_an_inline_run_is_repeated_in_its_process(session):
    seen = []

    @fw.function
    def work() -> int:
        seen.append(fw.context().attempt)
        if len(seen) < 3:
            raise ValueError("again")
        return len(seen)

    run = work.run(retry={"attempts": 3, "on": ["UserError"], "backoff": 0})
    assert (run.state, run.results, seen) == ("completed", {"return": 3}, [1, 2, 3])
    assert [row["state"] for row in run.document["status"]["attempts"]] == ["failed", "failed", "completed"]


def test_an_inline_run_that_fails_to_the_end_raises_its_last_error(session):
    @fw.function
    def work() -> None:
        raise ValueError(fw.context().attempt)

    with pytest.raises(fw.RunFailed, match="ValueError: 2"):
        work.run(retry={"attempts": 2, "on": ["UserError"], "backoff": 0})


def test_an_inline_run_that_waits_can_be_ended_from_elsewhere(session):
    @fw.function
    def work() -> None:
        raise ValueError

    done = []

    def start() -> None:
        done.append(
            work.run(retry={"attempts": 2, "on": ["UserError"], "backoff": 1e6, "backoff_cap": 1e6}, check=False)
        )

    thread = threading.Thread(target=start)
    thread.start()
    deadline = time.monotonic() + 60
    while not (found := fw.runs()) or not found[0].document["status"].get("retry"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    found[0].abort()
    thread.join(60)
    assert done[0].state == "aborted"


INLINE = """
import framework as fw, os, signal
@fw.function
def work():
    if fw.context().attempt == {die}:
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError
work.run(retry=dict(attempts=3, on=["UserError", "Lost"], backoff={backoff}, backoff_cap=1e6))
"""


def test_an_inline_run_whose_process_is_gone_is_lost_and_not_repeated(session, tmp_path):
    path = tmp_path / "inline.py"
    path.write_text(INLINE.format(die=2, backoff=0))
    subprocess.run([sys.executable, str(path)], check=False)
    collect(session)
    (run,) = fw.runs()
    assert (run.state, run.cause) == ("failed", "Lost")
    assert [row["state"] for row in run.document["status"]["attempts"]] == ["failed", "failed"]


def test_an_inline_run_whose_process_died_while_it_waited_is_lost(session, tmp_path):
    path = tmp_path / "inline.py"
    path.write_text(INLINE.format(die=0, backoff=1e6))
    process = subprocess.Popen([sys.executable, str(path)])
    deadline = time.monotonic() + 60
    while not (found := fw.runs()) or not found[0].document["status"].get("retry"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    collect(session)
    (run,) = fw.runs()
    assert (run.state, run.cause) == ("failed", "Lost")
    assert collect(session) == []


# Bad policies


@pytest.mark.parametrize(
    ("retry", "words"),
    [
        ({"attempts": 0}, "retry.attempts is 0"),
        ({"attempts": -1}, "retry.attempts is -1"),
        ({"attempts": 2, "backoff": -1}, "retry.backoff is -1"),
        ({"attempts": 2, "backoff": float("nan")}, "retry.backoff is nan"),
        ({"attempts": 2, "backoff_cap": -0.5}, "retry.backoff_cap is -0.5"),
        ({"attempts": 2, "memory_factor": 0.5}, "retry.memory_factor is 0.5"),
        ({"attempts": 2, "memory_cap": "much"}, "retry.memory_cap: 'much' is no quantity"),
        ({"attempts": 2, "on": ["OutOfMemroy"]}, "OutOfMemory"),
        ({"attempts": 2, "on": ["Aborted"]}, "retry.on has 'Aborted'"),
        ({"attemps": 2}, "attempts"),
        ({"attempts": "many"}, "attempts"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_and_nothing_is_started(session, planned, retry, words):
    with pytest.raises(fw.UsageError) as caught:
        planned(retry=retry)
    assert words in f"{caught.value.message} {caught.value.advice}"
    assert fw.runs() == []


def test_every_cause_but_three_is_usual():
    assert USUAL & {"UserError", "BadInput", "Aborted"} == set()
    assert len(USUAL) == 8


def until(session: Session, uid: str, wanted: Any) -> dict[str, Any]:
    """The run's status, once it is as wanted, while somebody looks again and again."""
    deadline = time.monotonic() + 60
    while True:
        collect(session)
        status: dict[str, Any] = session.database.run(uid)["status"]
        if wanted(status):
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
