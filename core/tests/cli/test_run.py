"""``framework run`` as a process of its own, with the core and the batteries."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

HELLO = '''
"""A file."""
import os, sys, time

def greet(who: str = "world", times: int = 1, *, loud: bool = False, name: str = "x") -> str:
    """Say hello.

    Args:
        who: Who is greeted.
        times: How often.
    """
    for _ in range(times):
        print(f"Hello, {who}!")
    return f"Hello, {who}!".upper() if loud else f"Hello, {who}!"

def raw():
    sys.stdout.buffer.write(bytes(range(256)))
    sys.stdout.flush()
    print("warned", file=sys.stderr)

def bad(depth: int = 3):
    raise ValueError(f"no such depth: {depth}")

def leave(code: int):
    sys.exit(code)

def endless():
    print("begun", flush=True)
    time.sleep(60)

def stubborn():
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("begun", flush=True)
    time.sleep(60)
'''


@pytest.fixture
def run(tmp_path, home):
    (tmp_path / "hello.py").write_text(HELLO)
    (tmp_path / "script.py").write_text("import sys\nprint(sys.argv[1:])\n")
    environment = {name: value for name, value in os.environ.items() if name != "FRAMEWORK_PLUGINS"}

    def call(*words: str, **more: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command(*words), cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False, **more
        )

    call.environment = environment
    return call


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "framework", *words]


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    text = done.stderr.decode()
    assert "this is a bug" not in text, text
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_the_users_output_is_standard_output_and_ours_is_not(run):
    done = run("run", "hello.py:greet", "--who", "Ada", "-p", "times=2")
    assert done.stdout == b"Hello, Ada!\nHello, Ada!\n"
    assert done.returncode == 0
    text = said(done)
    assert re.search(r"^greet  completed in \d", text, re.MULTILINE)
    assert "return=Hello, Ada!" in text
    shown = re.search(r"Next: framework runs show (\S+)", text)
    assert shown
    assert run("runs", "show", shown[1]).returncode == 0


@pytest.mark.slow
def test_bytes_are_kept_and_come_back(run):
    done = run("run", "hello.py:raw")
    assert done.stdout == bytes(range(256))
    assert b"warned\n" in done.stderr
    uid = json.loads(run("runs", "list", "--json").stdout)[0]["metadata"]["uid"]
    logged = run("logs", uid).stdout
    assert bytes(range(256)) in logged
    assert b"warned\n" in logged


def test_with_json_standard_output_is_the_run_and_nothing_else(run):
    done = run("run", "hello.py:greet", "--loud", "--json", "--label", "team=x", "--name", "hi", "-p", "name=y")
    document = json.loads(done.stdout)
    assert document["status"]["state"] == "completed"
    assert document["status"]["results"] == {"return": "HELLO, WORLD!"}
    assert document["metadata"]["name"] == "hi"
    assert document["metadata"]["labels"] == {"team": "x"}
    assert document["spec"]["params"]["name"] == "y"
    assert b"Hello, world!" in done.stderr
    assert "--name is an option of run" in said(done)


def test_a_failed_run_says_cause_evidence_and_the_users_own_frames(run):
    done = run("run", "hello.py:bad")
    text = said(done)
    assert done.returncode == 1
    assert "bad  failed: UserError" in text
    assert "ValueError: no such depth: 3" in text
    assert text.count("raise ValueError") == 1
    assert "framework_run" not in text
    document = json.loads(run("run", "hello.py:bad", "--json").stdout)
    assert (document["status"]["state"], document["status"]["cause"]) == ("failed", "UserError")


@pytest.mark.slow
@pytest.mark.parametrize(("code", "status"), [("0", 0), ("3", 1)])
def test_sys_exit_is_told_apart(code, status, run):
    assert run("run", "hello.py:leave", "--code", code).returncode == status


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["hello.py:gret"], ["gret", "greet"]),
        (["helo.py:greet"], ["helo.py", "hello.py"]),
        (["helo.py:greet", "--who", "x"], ["helo.py", "hello.py"]),
        (["hello.py:greet", "--whom", "x"], ["--whom", "--who"]),
        (["hello.py:greet", "--times", "many"], ["times", "many", "greet("]),
        (["hello.py:greet", "-p", "nothing=1"], ["nothing", "greet("]),
        (["hello.py:leave"], ["code", "leave("]),
        (["hello.py:greet", "extra"], ["'extra'", "--"]),
        (["hello.py:greet", "--kind", "nuclio"], ["nuclio", "pip install framework-runtime-nuclio"]),
        (["hello.py:greet", "--set", "enviroment.image=x"], ["enviroment", "environment"]),
        (["hello.py:greet", "-i", "data=/nowhere"], ["data", "/nowhere"]),
        (["hello.py:greet", "--project", "a b"], ["a b"]),
        ([], ["what shall be run"]),
    ],
    ids=" ".join,
)
def test_a_wrong_request_is_refused_before_anything_starts(words, parts, code_cli):
    cli = code_cli("hello.py", HELLO)
    done = cli("run", *words)
    assert done.code == 2, done.err
    assert all(part in done.err for part in parts), done.err
    assert len(done.err.splitlines()) <= 15
    assert "Traceback" not in done.err
    assert json.loads(cli("runs", "list", "--json").out) == []


def test_a_syntax_error_shows_the_line(run, tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n    pass\n")
    done = run("run", "broken.py:f")
    assert done.returncode == 2
    assert "def f(:" in said(done)


def test_help_shows_the_handlers_flags_and_imports_nothing_of_the_user(run, tmp_path):
    (tmp_path / "loud.py").write_text("print('imported')\nimport nowhere_to_be_found\n" + HELLO)
    done = run("run", "loud.py:greet", "--help")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "imported" not in text
    assert "Say hello." in text
    assert re.search(r"--times INTEGER +How often\.  \[default: 1\]", text)
    assert "--loud / --no-loud" in text
    assert re.search(r"-p name=VALUE +\(--name is an option of run\)", text)


@pytest.mark.slow
def test_a_script_takes_its_own_arguments(run):
    done = run("run", "script.py", "--", "--depth", "3", "--")
    assert (done.returncode, done.stdout) == (0, b"['--depth', '3', '--']\n")
    done = run("run", "--", sys.executable, "-c", "print('plain')")
    assert (done.returncode, done.stdout) == (0, b"plain\n")


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_runs_nothing(run):
    words = ("run", "hello.py:greet", "--dry-run", "--image", "python:3.12", "--limit", "memory=1Gi", "--env", "A=b")
    plan = json.loads(run(*words, "--json").stdout)
    assert plan["function"]["spec"]["environment"] == {"image": "python:3.12", "env": {"A": "b"}}
    assert plan["function"]["spec"]["resources"]["limits"] == {"memory": "1Gi"}
    printed = yaml.safe_load(run(*words).stdout)
    assert printed["function"] == plan["function"]
    assert json.loads(run("runs", "list", "--json").stdout) == []
    assert json.loads(run("function", "list", "--json").stdout) == []


@pytest.mark.slow
def test_params_of_a_file_give_way_to_flags(run, tmp_path):
    (tmp_path / "params.yaml").write_text("who: Bob\ntimes: 2\n")
    done = run("run", "hello.py:greet", "--params-file", "params.yaml", "--times", "1")
    assert done.stdout == b"Hello, Bob!\n"


def test_detached_prints_the_uid_and_logs_follow(run):
    done = run("run", "hello.py:greet", "--detach")
    uid = done.stdout.decode().strip()
    assert done.returncode == 0
    assert re.fullmatch(r"[0-9a-f-]{36}", uid)
    followed = run("logs", "-f", uid)
    assert followed.stdout == b"Hello, world!\n"
    assert json.loads(run("runs", "show", uid, "--json").stdout)["status"]["state"] == "completed"


@pytest.mark.slow
def test_abort_ends_a_detached_run(run):
    uid = run("run", "hello.py:endless", "--detach").stdout.decode().strip()
    done = run("abort", uid)
    assert done.returncode == 0
    assert "aborted" in said(done)
    status = json.loads(run("runs", "show", uid, "--json").stdout)["status"]
    assert (status["state"], status["cause"]) == ("aborted", "Aborted")
    assert run("abort", uid).returncode == 0  # it has ended: nothing is to be done


@pytest.mark.parametrize(("handler", "presses"), [("endless", 1), pytest.param("stubborn", 2, marks=pytest.mark.slow)])
def test_ctrl_c_asks_once_and_kills_twice(handler, presses, run, tmp_path):
    words = command("run", f"hello.py:{handler}")
    with subprocess.Popen(
        words, cwd=tmp_path, env=run.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            for _ in range(presses):
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert b"aborted" in err
    (document,) = json.loads(run("runs", "list", "--json").stdout)
    assert document["status"]["state"] == "aborted"


def test_a_timeout_ends_it(run):
    document = json.loads(run("run", "hello.py:endless", "--timeout", "1s", "--json").stdout)
    assert (document["status"]["state"], document["status"]["cause"]) == ("failed", "Timeout")


def test_pdb_stops_where_it_failed(run):
    done = run("run", "hello.py:bad", "--pdb", "--depth", "7", input=b"p depth * 6\nq\n")
    assert b"(Pdb)" in done.stdout
    assert b"42" in done.stdout
    assert done.returncode == 1
    assert done.stderr.count(b"Traceback") == 1
    (document,) = json.loads(run("runs", "list", "--json").stdout)
    assert document["status"]["cause"] == "UserError"


@pytest.mark.slow
def test_a_parameter_is_kept_as_what_it_is_and_found_by_it(run):
    run("run", "hello.py:greet", "--times", "2", "--loud", "--who", "3")
    (document,) = json.loads(
        run("runs", "list", "--where", "params.times = 2", "--param", "loud=true", "--json").stdout
    )
    assert document["spec"]["params"] == {"times": 2, "loud": True, "who": "3"}


@pytest.mark.slow
def test_a_wrong_part_of_the_spec_is_said_by_its_path(run):
    done = run("run", "hello.py:greet", "--set", "resourcs.x=1")
    assert done.returncode == 2
    assert b"$.spec.resourcs: there is no field 'resourcs'; did you mean 'resources'?" in done.stderr


@pytest.mark.slow
def test_an_option_of_a_kind_that_has_none_is_said_by_its_name(run):
    done = run("run", "hello.py:greet", "-o", "memory=2GiB", "-o", "anything.else=1")
    assert done.returncode == 2
    assert b"the kind 'local' has no options of its own, and spec.options has 'memory', 'anything'" in done.stderr
    assert json.loads(run("runs", "list", "--json").stdout) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", [["script.py"], []], ids=["script", "command"])
def test_arguments_of_a_script_belong_to_the_run_and_not_to_the_version(run, first):
    program = [] if first else ["python", "script.py"]
    runs = [
        json.loads(run("run", *first, "--json", "--", *program, *args).stdout)
        for args in (["--epochs", "3"], ["a b", "--data=x"])
    ]
    assert runs[0]["spec"]["function"] == runs[1]["spec"]["function"]
    assert [each["spec"]["args"] for each in runs] == [["--epochs", "3"], ["a b", "--data=x"]]
    uid = runs[1]["metadata"]["uid"]
    assert b"script.py 'a b' --data=x" in run("runs", "show", uid).stdout
    again = run("run", runs[1]["spec"]["function"], "--", "anew")
    assert again.stdout == b"['anew']\n"
    refused = run("run", "hello.py:greet", "--", "3")
    assert (refused.returncode, b"takes no arguments such as '3'" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_what_was_written_stands_over_a_default_of_the_project(run, tmp_path, database):
    (tmp_path / "f.yaml").write_text(
        "kind: local\nmetadata: {name: say}\n"
        "spec:\n  code: {type: command, command: [echo, hi]}\n  life: {retry: {attempts: 1}}\n"
    )
    run("function", "import", "f.yaml")
    defaults = {"life": {"retry": {"attempts": 4}}, "environment": {"env": {"A": "b"}}}
    database.put_project({"metadata": {"name": "default"}, "spec": {"defaults": defaults}})
    for _ in range(2):  # the second time what the first one has kept is run
        planned = json.loads(run("run", "db://default/say", "--dry-run", "--json").stdout)
        assert "retry" not in planned["run"]["spec"]
        assert planned["function"]["spec"]["environment"]["env"] == {"A": "b"}
        assert run("run", "db://default/say").returncode == 0


@pytest.mark.slow
def test_the_history_says_from_which_commit_a_version_is(run, tmp_path):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", "hello.py")
    git("commit", "-q", "-m", "hello")
    commit = git("rev-parse", "HEAD").strip()
    run("run", "hello.py:greet")
    (tmp_path / "hello.py").write_text(HELLO + "\n# changed\n")
    run("run", "hello.py:greet")
    (newer, older) = json.loads(run("function", "history", "greet", "--json").stdout)
    assert older["status"]["provenance"]["commit"] == newer["status"]["provenance"]["commit"] == commit
    assert newer["status"]["provenance"]["dirty"] is True
    assert "dirty" not in older["status"]["provenance"]
    lines = run("function", "history", "greet").stdout.decode().splitlines()
    assert commit[:12] in lines[1]
    assert lines[1].rstrip().endswith("dirty")
    assert not lines[2].rstrip().endswith("dirty")


@pytest.mark.slow
def test_versions_tell_their_story(run, tmp_path):
    run("run", "hello.py:greet")
    (tmp_path / "hello.py").write_text(HELLO + "\n# changed\n")
    run("run", "hello.py:greet")
    versions = json.loads(run("function", "history", "greet", "--json").stdout)
    assert len(versions) == 2
    newer, older = (f"greet@{version['status']['version']}" for version in versions)
    diff = json.loads(run("function", "diff", older, newer, "--json").stdout)
    assert [(change["section"], change["field"]) for change in diff["changes"]] == [("code", "hello.py")]
    compared = json.loads(run("runs", "compare", "--json").stdout)
    assert {field["field"] for field in compared if field["differs"]} >= {"function"}


@pytest.mark.slow
def test_a_kept_function_runs_without_its_file(run, tmp_path):
    run("run", "hello.py:greet")
    Path(tmp_path / "hello.py").unlink()
    done = run("run", "db://default/greet", "--who", "Eve")
    assert (done.returncode, done.stdout) == (0, b"Hello, Eve!\n"), done.stderr
