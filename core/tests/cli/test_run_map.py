"""``framework run --map`` as a process of its own: items, numbers, ends, and the death of who maps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).parent / "framework")

pytestmark = pytest.mark.slow

CODE = """
import pathlib, time

def square(n: int, base: int = 0, gate: str = "", name: str = ""):
    print("number", n)
    if name:
        return len(name)
    if gate:
        pathlib.Path(gate, str(n)).touch()
        while not pathlib.Path(gate, "open").exists():
            time.sleep(0.02)
    if n == 13:
        raise ValueError("unlucky")
    return n * n + base
"""


@pytest.fixture
def framework(tmp_path, home):
    (tmp_path / "job.py").write_text(CODE)
    environment = {name: value for name, value in os.environ.items() if name != "FRAMEWORK_PLUGINS"}

    def start(*words, **more):
        return subprocess.Popen(
            [sys.executable, "-m", "framework", *words],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def call(*words, stdin=""):
        with start(*words) as process:
            out, err = process.communicate(stdin, timeout=90)
        return process.returncode, out, err

    call.start = start
    return call


def lines(*items):
    return "\n".join(json.dumps(item) for item in items)


def test_each_line_is_a_run_of_its_own(framework):
    words = ("run", "job.py:square", "-p", "base=100", "--map", "-", "--parallelism", "2")
    code, out, err = framework(*words, "--json", stdin=lines({"n": 1}, {"n": 2}, {"n": 3, "base": 0}))
    assert code == 0, err
    run = json.loads(out)
    assert run["status"]["results"] == {"completed": 3, "failed": 0}
    told = run["spec"]["map"]
    assert (told["items"], told["parallelism"]) == (3, 2)
    assert (run["status"]["progress"]["done"], run["status"]["progress"]["rate"] > 0) == (3, True)
    children = json.loads(framework("runs", "list", "--parent", run["metadata"]["uid"], "--json")[1])
    found = {child["spec"]["iteration"]: child["status"]["results"]["return"] for child in children}
    assert found == {1: 101, 2: 104, 3: 9}
    assert len(json.loads(framework("runs", "list", "--json")[1])) == 1


def test_what_items_print_carries_their_number(framework):
    code, out, _ = framework("run", "job.py:square", "--map", "-", stdin=lines({"n": 5}, {"n": 6}))
    assert code == 0
    assert sorted(out.splitlines()) == ["[1] number 5", "[2] number 6"]


def test_a_failed_item_fails_the_map_and_no_other_item(framework):
    code, out, err = framework("run", "job.py:square", "--map", "-", "--json", stdin=lines({"n": 13}, {"n": 2}))
    run = json.loads(out)
    assert code == 1
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "UserError")
    assert run["status"]["results"] == {"completed": 1, "failed": 1}
    assert "item 1: ValueError: unlucky" in run["status"]["message"]
    assert "item 1" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "line 1 is no JSON object: it is list"),
        ('{"n": 1}\n{"n": ', "line 2 is no JSON object"),
        ("", "at least one item"),
        ('{"n": 1}\n{"m": 1}', "item 2: "),
        ('{"n": "x"}', "item 1: the parameter 'n' is wrong"),
    ],
)
def test_items_that_cannot_be_run_are_refused_before_anything_starts(framework, text, said):
    code, _, err = framework("run", "job.py:square", "--map", "-", stdin=text)
    assert code == 2
    assert said in err
    assert json.loads(framework("runs", "list", "--json")[1]) == []


def test_a_file_that_is_not_there(framework):
    code, _, err = framework("run", "job.py:square", "--map", "nothing.jsonl")
    assert code == 2
    assert "nothing.jsonl" in err


def test_parallelism_of_one_run(framework):
    code, _, err = framework("run", "job.py:square", "-p", "n=2", "--parallelism", "3")
    assert code == 2
    assert "--map FILE" in err


def test_nobody_has_to_stay(framework, tmp_path):
    """And what lies in the present folder is not taken for what the process that maps imports."""
    (tmp_path / "attrs.py").write_text("raise ImportError('not this one')")
    environment = {name: value for name, value in os.environ.items() if name != "FRAMEWORK_PLUGINS"}
    words = [PROGRAM, "run", "job.py:square", "--map", "-", "--cache", "--detach"]
    text = lines({"n": 5}, {"n": 6}, {"n": 13})
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (0, [f"Next: framework runs show {done.stdout.strip()}"])
    (tmp_path / "attrs.py").unlink()
    code, out, err = framework("logs", "-f", done.stdout.strip())
    assert code == 0, err
    assert sorted(line.partition(" | ")[2] for line in out.splitlines() if "number" in line) == [
        "number 13",
        "number 5",
        "number 6",
    ]
    run = _ended(framework)
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "UserError")
    assert run["status"]["results"] == {"completed": 2, "failed": 1, "reused": 0}
    code, out, err = framework(*words[1:], stdin=lines({"n": 5}, {"n": 7}))
    assert code == 0, err
    assert _ended(framework)["status"]["results"] == {"completed": 2, "failed": 0, "reused": 1}


def test_the_process_that_maps_is_asked_to_end(framework, tmp_path):
    run = _detached(framework, tmp_path, 6)
    code, _, err = framework("abort", run["metadata"]["uid"])
    assert code == 0, err
    run = _ended(framework)
    assert (run["status"]["state"], run["status"]["cause"]) == ("aborted", "Aborted")
    assert len(_children(framework, run)) == 2


def test_the_process_that_maps_dies(framework, tmp_path):
    run = _detached(framework, tmp_path, 6)
    os.kill(run["status"]["attempts"][0]["pid"], signal.SIGKILL)
    (tmp_path / "open").touch()
    run = _ended(framework)
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "Lost")
    assert "4 of 6" in run["status"]["message"]
    assert "the process that mapped it is gone" in run["status"]["message"]
    assert {child["status"]["state"] for child in _children(framework, run)} == {"completed"}


def test_a_process_that_maps_and_does_not_begin_leaves_nothing(framework, tmp_path):
    change = "map_apart._WORDS = [sys.executable, '-c', 'import sys; sys.exit(\"no room\")']"
    code = f"import sys; from framework.engine import map_apart; {change}; from framework.cli.main import main; main()"
    (tmp_path / "items.jsonl").write_text(lines({"n": 1}))
    words = ["run", "job.py:square", "--map", "items.jsonl", "--detach"]
    environment = {name: value for name, value in os.environ.items() if name != "FRAMEWORK_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the process that maps did not begin: no room" in done.stderr
    assert json.loads(framework("runs", "list", "--json")[1]) == []


def test_an_interrupt_ends_what_runs_and_starts_nothing_more(framework, tmp_path):
    with _begun(framework, tmp_path, 6) as process:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    run = _latest(framework)
    assert (run["status"]["state"], run["status"]["cause"]) == ("aborted", "Aborted")
    children = _children(framework, run)
    assert len(children) < 6
    assert run["status"]["results"] == {"completed": 0, "failed": len(children)}  # it has waited for them all


def test_it_is_ended_from_another_terminal(framework, tmp_path):
    with _begun(framework, tmp_path, 6) as process:
        code, _, err = framework("abort", _latest(framework)["metadata"]["uid"])
        assert code == 0, err
        assert process.wait(60) == 1
    assert _latest(framework)["status"]["cause"] == "Aborted"


def test_what_a_dead_client_had_started_is_collected_and_the_rest_is_said(framework, tmp_path):
    with _begun(framework, tmp_path, 6) as process:
        os.killpg(process.pid, signal.SIGKILL)
    (tmp_path / "open").touch()
    deadline = time.monotonic() + 60
    while (run := _latest(framework))["status"]["state"] == "running":
        assert time.monotonic() < deadline, run["status"]
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "Lost")
    assert "have not run" in run["status"]["message"]
    children = _children(framework, run)
    assert {child["status"]["state"] for child in children} == {"completed"}
    assert run["status"]["results"]["completed"] == len(children)
    uids = {child["spec"]["iteration"]: child["metadata"]["uid"] for child in children}

    code, out, err = framework("replay", run["metadata"]["uid"], "--json")  # those that have not run, too
    assert code == 0, err
    again = json.loads(out)
    assert again["spec"]["replays"] == run["metadata"]["uid"]
    assert again["status"]["results"] == {"completed": 6, "failed": 0}
    assert again["spec"]["map"] == run["spec"]["map"]
    repeated = {child["spec"]["iteration"]: child["spec"]["replays"] for child in _children(framework, again)}
    assert {number: uid for number, uid in repeated.items() if uid} == uids
    assert len(repeated) == 6
    assert f"The same came out of {len(uids)} items as in the map" in err


@pytest.mark.slow
def test_many_items_at_once_while_others_look_on(framework):
    """Whoever looks may tidy up after an item that the map's own process follows."""
    numbers = range(20, 60)
    words = ("run", "job.py:square", "--map", "-", "--parallelism", "6")
    with framework.start(*words) as process:
        process.stdin.write(lines(*({"n": n} for n in numbers)))
        process.stdin.close()
        process.stdin = None
        deadline = time.monotonic() + 60
        while not (found := json.loads(framework("runs", "list", "--json")[1])):
            assert time.monotonic() < deadline
        followers = [framework.start("logs", "-f", found[0]["metadata"]["uid"]) for _ in range(2)]
        out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
    printed = sorted(f"number {n}" for n in numbers)
    assert sorted(line.partition("] ")[2] for line in out.splitlines()) == printed
    for follower in followers:
        with follower:
            out, err = follower.communicate(timeout=90)
        assert follower.returncode == 0, err
        assert sorted(line.partition(" | ")[2] for line in out.splitlines()) == printed


def test_items_that_have_been_run_before_are_reused(framework):
    code, out, err = framework("run", "job.py:square", "--cache", "--json", "-p", "n=2")
    first = json.loads(out)["metadata"]["uid"]
    words = ("run", "job.py:square", "--map", "-", "--cache")
    code, out, err = framework(*words, "--json", stdin=lines({"n": 2}, {"n": 3}))
    assert code == 0, err
    run = json.loads(out)
    assert run["status"]["results"] == {"completed": 2, "failed": 0, "reused": 1}
    assert run["status"]["progress"]["text"] == "1 reused"
    children = {child["spec"]["iteration"]: child for child in _children(framework, run)}
    assert {number: child["status"]["results"]["return"] for number, child in children.items()} == {1: 4, 2: 9}
    assert (children[1]["status"]["cached_from"], children[2]["status"]["cached_from"]) == (first, "")
    assert "no completed run of the same key" in children[2]["spec"]["cache"]["miss"]
    code, out, err = framework(*words, stdin=lines({"n": 2}, {"n": 3}))
    assert (code, out, "reused=2" in err) == (0, "", True), err
    shown = framework("runs", "show", _latest(framework)["metadata"]["uid"])[1]
    assert shown.count("completed  reused") == 2
    code, out, _ = framework("run", "job.py:square", "--map", "-", "--no-cache", "--json", stdin=lines({"n": 2}))
    assert json.loads(out)["status"]["results"] == {"completed": 1, "failed": 0}


def test_a_replay_of_a_map_says_which_items_gave_something_else(framework, tmp_path):
    gate = str(tmp_path)
    (tmp_path / "open").touch()
    (tmp_path / "secret").write_text("hunter2-the-canary")
    words = ("run", "job.py:square", "--map", "-", "--retry", "1", "--retry-backoff", "0", "--retry-on", "UserError")
    words = (*words, "--secret", "WORD=file:" + str(tmp_path / "secret"), "--json")
    items = ({"n": 1, "gate": gate}, {"n": 2, "name": "hunter2-the-canary"})
    code, out, err = framework(*words, stdin=lines(*items))
    assert code == 0, err
    run = json.loads(out)
    assert run["spec"]["map"]["retry"]["attempts"] == 2
    assert framework("replay", run["metadata"]["uid"], "--pdb")[0] == 2
    (tmp_path / "secret").write_text("quite-another-canary")
    code, _, err = framework("replay", run["metadata"]["uid"])
    assert code == 0, err
    assert "Something else came out of 1 of 2 items" in err
    assert "item 2: framework diff" in err
    other = next(each for each in _children(framework, _latest(framework)) if each["spec"]["iteration"] == 2)
    assert other["spec"]["params"]["name"] == "{secret:WORD}"
    assert other["spec"]["retry"]["attempts"] == 2


def _words(folder, items):
    """A map of which two items wait for the file ``open``."""
    path = folder / "items.jsonl"
    path.write_text(lines(*({"n": number, "gate": str(folder)} for number in range(items))))
    return ("run", "job.py:square", "--map", str(path), "--parallelism", "2")


def _detached(framework, folder, items):
    """Such a map that nobody watches, when two items have begun."""
    code, _, err = framework(*_words(folder, items), "--detach")
    assert code == 0, err
    deadline = time.monotonic() + 60
    while not ((folder / "0").exists() and (folder / "1").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return _latest(framework)


def _ended(framework):
    """The latest run once it has ended."""
    deadline = time.monotonic() + 60
    while (run := _latest(framework))["status"]["state"] in ("pending", "running"):
        assert time.monotonic() < deadline, run["status"]
    return run


def _begun(framework, folder, items):
    """Such a map, when two items have begun."""
    process = framework.start(*_words(folder, items), start_new_session=True)
    deadline = time.monotonic() + 60
    while not ((folder / "0").exists() and (folder / "1").exists()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def _latest(framework):
    return json.loads(framework("runs", "list", "--json")[1])[0]


def _children(framework, run):
    return json.loads(framework("runs", "list", "--parent", run["metadata"]["uid"], "--all", "--json")[1])
