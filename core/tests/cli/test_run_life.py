"""``framework run`` with limits of time, retries and limits of resources, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

JOB = """
import os, time
from pathlib import Path
import framework as fw

def flaky(marks: str, fails: int = 1):
    attempt = fw.context().attempt
    print("attempt", attempt)
    (Path(marks) / str(attempt)).touch()
    if attempt <= fails:
        raise ValueError("flaky")
    return attempt

def hopeless(marks: str):
    (Path(marks) / str(fw.context().attempt)).touch()
    raise fw.NonRetryable("no use")

def sleep(seconds: float):
    time.sleep(seconds)
"""


@pytest.fixture
def run(tmp_path, home):
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "marks").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "FRAMEWORK_PLUGINS"}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "framework", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert "this is a bug" not in done.stderr, done.stderr
        return done

    call.environment = environment
    call.folder = tmp_path
    return call


def marks(run) -> list[str]:
    return sorted(path.name for path in (run.folder / "marks").iterdir())


ONCE_MORE = ("--retry", "1", "--retry-on", "UserError")


def test_a_run_is_repeated_and_says_so(run):
    done = run("run", "job.py:flaky", "--marks", "marks", "--retry", "1", "--retry-on", "UserError", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "attempt 1 of 2 failed (UserError: ValueError: flaky); the next is due at" in done.stderr
    assert [row["state"] for row in document["status"]["attempts"]] == ["failed", "completed"]
    uid = document["metadata"]["uid"]
    assert "attempt 1\n" in run("logs", uid, "--attempt", "1").stdout
    assert run("logs", uid).stdout == "attempt 2\n"
    shown = run("runs", "show", uid).stdout
    assert "Attempts" in shown
    assert "failed: UserError" in shown


def test_what_is_not_to_be_repeated_is_not(run):
    done = run("run", "job.py:hopeless", "--marks", "marks", "--retry", "3", "--retry-on", "UserError", "--json")
    document = json.loads(done.stdout)
    assert (document["status"]["state"], document["status"]["cause"]) == ("failed", "UserError")
    assert marks(run) == ["1"]
    assert "It is not repeated: it was asked to end, or said itself" in done.stderr


def test_that_a_cause_is_not_answered_to_is_said(run):
    done = run("run", "job.py:flaky", "--marks", "marks", "--retry", "3")
    assert done.returncode == 1
    said = "It is not repeated: UserError is not among the causes that its retry answers to (--retry-on UserError)."
    assert said in done.stderr
    assert said in run("runs", "show").stdout
    assert marks(run) == ["1"]


def test_that_it_was_tried_to_the_end_is_said(run):
    done = run("run", "job.py:flaky", "--marks", "marks", "--fails", "9", *ONCE_MORE)
    assert "It was tried 2 times." in done.stderr


def test_a_detached_run_that_waits_is_started_by_the_next_command(run):
    uid = run("run", "job.py:flaky", "--marks", "marks", *ONCE_MORE, "--detach").stdout.strip()
    deadline = time.monotonic() + 60
    while json.loads(run("runs", "show", uid, "--json").stdout)["status"]["state"] != "completed":
        assert time.monotonic() < deadline
    assert marks(run) == ["1", "2"]


def test_a_run_that_waits_is_shown_and_aborted(run):
    uid = run(
        "run", "job.py:flaky", "--marks", "marks", "--retry", "1", "--retry-on", "UserError", "--detach",
        "--retry-backoff", "100d", "--set", "spec.life.retry.backoff_cap=1000000",
    ).stdout.strip()  # fmt: skip
    deadline = time.monotonic() + 60
    while not (status := json.loads(run("runs", "show", uid, "--json").stdout)["status"])["retry"]:
        assert time.monotonic() < deadline
    assert (status["state"], status["cause"]) == ("pending", None)
    assert "the next is due at" in run("runs", "show", uid).stdout
    done = run("abort", uid, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["status"]["state"] == "aborted"


def test_ctrl_c_while_it_waits_aborts_it(run):
    words = [
        sys.executable, "-m", "framework", "run", "job.py:flaky", "--marks", "marks", "--retry", "1", "--retry-on",
        "UserError", "--retry-backoff", "100d", "--set", "spec.life.retry.backoff_cap=1000000",
    ]  # fmt: skip
    process = subprocess.Popen(words, cwd=run.folder, env=run.environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "the next is due" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    (found,) = json.loads(run("runs", "list", "--json").stdout)
    assert found["status"]["state"] == "aborted"


def test_a_client_that_is_killed_while_it_waits_leaves_the_rest_to_the_next_command(run):
    words = [
        sys.executable, "-m", "framework", "run", "job.py:flaky", "--marks", "marks", "--retry", "1", "--retry-on",
        "UserError", "--retry-backoff", "2s",
    ]  # fmt: skip
    process = subprocess.Popen(words, cwd=run.folder, env=run.environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "the next is due" in line:
            break
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while (found := json.loads(run("runs", "list", "--json").stdout)[0])["status"]["state"] != "completed":
        assert time.monotonic() < deadline
    assert found["status"]["results"] == {"return": 2}
    assert marks(run) == ["1", "2"]


def test_a_limit_of_time_is_kept(run):
    done = run("run", "job.py:sleep", "--seconds", "60", "--timeout", "0.5", "--json")
    status = json.loads(done.stdout)["status"]
    assert (status["state"], status["cause"]) == ("failed", "Timeout")
    assert "0.5 s" in status["message"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--retry", "-1"], "-1 is not in the range x>=0"),
        (["--retry", "many"], "'many' is not a valid integer"),
        (["--retry", "1", "--retry-on", "OutOfMemroy"], "OutOfMemory"),
        (["--retry", "1", "--retry-on", "Aborted"], "retry.on has 'Aborted'"),
        (["--retry-on", "Lost"], "there is only one attempt"),
        (["--retry", "1", "--retry-backoff", "soon"], "'soon' is not a span of time"),
        (["--set", "spec.life.retry.attempts=0"], "retry.attempts is 0"),
        (["--timeout", "-5"], "'-5' is not a span of time"),
        (["--timeout", "0"], "timeouts.run is 0.0"),
        (["--pending-timeout", "0"], "timeouts.pending is 0.0"),
        (["--grace", "long"], "'long' is not a span of time"),
        (["--set", "spec.life.timeouts.run=-1"], "timeouts.run is -1"),
        (["--limit", "memory=much"], "resources.limits.memory: 'much' is no quantity"),
        (["--request", "cpu=-1"], "resources.requests.cpu: -1 is no quantity"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(code_cli, words, said):
    cli = code_cli("job.py", JOB)
    done = cli("run", "job.py:sleep", "--seconds", "0", *words)
    assert done.code == 2, done.err
    assert said in done.err
    assert json.loads(cli("runs", "list", "--json").out) == []


def test_runs_are_aborted_by_name_and_label_and_the_others_go_on(run):
    for label in ("a", "a", "b"):
        done = run("run", "job.py:sleep", "--seconds", "60", "--label", f"group={label}", "--detach")
        assert done.returncode == 0, done.stderr
    assert run("abort").returncode == 2
    refused = run("abort", "--label", "group=a")
    assert (refused.returncode, "Add --yes" in refused.stderr) == (2, True)
    done = run("abort", "--name", "sl*", "--label", "group=a", "--now", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert [found["status"]["state"] for found in json.loads(done.stdout)] == ["aborted", "aborted"]
    (other,) = json.loads(run("runs", "list", "--state", "running,pending", "--json").stdout)
    assert other["metadata"]["labels"] == {"group": "b"}
    assert run("abort", "--project", "default", "--now", "--yes").returncode == 0
    assert "no such run" in run("abort", "--name", "*", "--yes").stderr


def test_what_cannot_be_reached_is_said_and_the_others_are_ended(run):
    (run.folder / "inline.py").write_text(INLINE)
    inline = subprocess.Popen([sys.executable, "inline.py"], cwd=run.folder, env=run.environment)
    try:
        deadline = time.monotonic() + 60
        while not json.loads(run("runs", "list", "--state", "running", "--json").stdout):
            assert time.monotonic() < deadline
        assert run("run", "job.py:sleep", "--seconds", "60", "--detach").returncode == 0
        done = run("abort", "--name", "*", "--now", "--yes", "--json")
    finally:
        inline.kill()
        inline.wait()
    assert done.returncode == 1
    assert "is inline in another process, which alone can end it" in done.stderr
    assert sorted(found["status"]["state"] for found in json.loads(done.stdout)) == ["aborted", "running"]


INLINE = """
import time
import framework as fw

@fw.function
def wait():
    time.sleep(60)

wait.run()
"""
