"""Secrets under a real supervisor: resolved before the fork, masked in every event."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

SECRET = "canary in the mine"
TOKEN = {"store": "env", "key": "SOURCE", "target": "framework_run.secrets:EnvironmentStore", "options": {}}


@pytest.fixture
def start(either: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("SOURCE", SECRET)
    return lambda source, **parts: either(source, secrets={"TOKEN": TOKEN}, **parts)


def test_the_users_code_has_the_value_and_nothing_that_is_kept_does(start, tmp_path) -> None:
    source = """
        import base64, json, os, sys, time
        import framework
        def main():
            secret = os.environ["TOKEN"]
            print("one", secret, len(secret))
            sys.stdout.write(secret[:7]); sys.stdout.flush(); time.sleep(0.2); print(secret[7:])
            print(base64.b64encode(b"user:" + secret.encode() + b"@"), file=sys.stderr)
            context = framework.context()
            context.log_results({"text": secret, secret: [secret]})
            context.log_metric(secret, 1)
            context.set_label("label", secret)
            context.progress(1, 1, text=secret)
    """
    run = start(source)
    assert run.end["state"] == "completed", run.log("stderr")
    assert run.log() == f"one *** {len(SECRET)}\n***\n"
    assert SECRET not in json.dumps(run.events)
    assert SECRET not in (tmp_path / "submission.json").read_text()
    assert run.of("result")[0]["values"] == {"text": "***", "***": ["***"]}


def test_the_runs_that_a_handler_opens_are_masked_too(start) -> None:
    source = """
        import os
        import framework
        def main():
            with framework.context().child_run(os.environ["TOKEN"], {"p": os.environ["TOKEN"]}) as child:
                child.log_result("text", os.environ["TOKEN"])
    """
    run = start(source)
    assert run.status == 0
    assert run.of("child")[0]["params"] == {"p": "***"}
    assert SECRET not in json.dumps(run.events)


def test_an_exception_that_holds_the_value_is_masked_also_where_it_is_cut(start) -> None:
    run = start("import os\ndef main():\n    raise ValueError('x' * 480 + os.environ['TOKEN'] * 9)\n")
    assert run.end["state"] == "failed"
    for length in range(5, len(SECRET)):
        assert SECRET[:length] not in json.dumps(run.events)


def test_placeholders_are_filled(start) -> None:
    source = """
        import os
        import framework
        def main():
            print(os.environ["URL"] == "https://canary in the mine@host")
            print(framework.context().params)
    """
    run = start(source, env={"URL": "https://{secret:TOKEN}@host"}, params={})
    assert run.end["state"] == "completed"
    assert run.log() == "True\n{}\n"


def test_long_parameters_are_in_no_file_with_a_value(either, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE", SECRET)
    source = """
        import os
        import framework
        def main(**kwargs):
            about = open(os.environ["FRAMEWORK_RUN_SUBMISSION"]).read()
            params = framework.context().params
            print(os.environ["TOKEN"] in about, params["p"] == os.environ["TOKEN"], len(params["long"]))
    """
    params = {"p": "{secret:TOKEN}", "long": "x" * 200_000}
    run = either(source, secrets={"TOKEN": TOKEN}, params=params)
    assert run.end["state"] == "completed", run.log("stderr")
    assert run.log() == "False True 200000\n"


def test_parameters_and_words_of_a_command_are_filled(handler, launch, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE", SECRET)
    run = handler("def main(url): return len(url)", secrets={"TOKEN": TOKEN}, params={"url": "{secret:TOKEN}/x"})
    assert run.end["state"] == "completed"
    assert run.of("result") == [{"values": {"return": len(SECRET) + 2}}]


def test_a_command_gets_the_value_in_its_words(launch, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE", SECRET)
    words = ["{python}", "-c", "import sys; print(len(sys.argv[1]), sys.argv[1])", "{secret:TOKEN}"]
    run = launch({"command": words}, secrets={"TOKEN": TOKEN})
    assert run.end["state"] == "completed"
    assert run.log() == f"{len(SECRET)} ***\n"


def test_a_secret_that_is_missing_ends_the_run_before_the_users_code(either) -> None:
    run = either("def main():\n    print('begun')\n", secrets={"TOKEN": {**TOKEN, "key": "NOT_THERE"}})
    assert (run.end["state"], run.end["cause"]) == ("failed", "BadInput")
    assert "the secret TOKEN (env:NOT_THERE) is not there" in run.end["message"]
    assert run.log() == ""
    assert run.of("state") == []


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"params": {"p": {"inner": [f"x{SECRET}"]}}}, "the parameter 'p'"),
        ({"params": {"number": 47114711}}, "the parameter 'number'"),
        ({"env": {"URL": f"https://{SECRET}@host"}}, "the variable URL"),
    ],
)
def test_what_was_given_a_value_by_mistake_is_refused(either, monkeypatch, given, what) -> None:
    monkeypatch.setenv("SOURCE", SECRET)
    monkeypatch.setenv("NUMBER", "47114711")
    secrets = {"TOKEN": TOKEN, "OTHER": {**TOKEN, "key": "NUMBER"}}
    run = either("def main(**_):\n    print('begun')\n", secrets=secrets, **given)
    assert (run.end["state"], run.end["cause"], run.log()) == ("failed", "BadInput", "")
    assert f"{what} holds the value of the secret" in run.end["message"]
    assert "Delete this run, and change the secret" in run.end["advice"]
    assert SECRET not in json.dumps(run.events)


def test_what_holds_a_short_value_by_chance_is_not_refused(either, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE", "postgres")
    source = "def main(**_):\n    print('begun')\n"
    run = either(source, secrets={"TOKEN": TOKEN}, params={"url": "postgres://host"})
    assert run.end["state"] == "completed"


def test_a_secret_that_is_too_short_is_said(either, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE", "123")
    run = either("import os\ndef main():\n    print(os.environ['TOKEN'])\n", secrets={"TOKEN": TOKEN})
    assert run.end["state"] == "completed"
    assert run.log("system") == "The secret TOKEN has fewer than 4 characters, and is not masked.\n"


def test_much_output_is_masked_and_nothing_of_the_rest_is_lost(start) -> None:
    source = """
        import os, sys
        def main():
            line = "0123456789" * 20 + os.environ["TOKEN"] + "\\n"
            for _ in range(20_000):
                sys.stdout.write(line)
    """
    run = start(source)
    assert run.end["state"] == "completed"
    assert run.log() == ("0123456789" * 20 + "***\n") * 20_000
    assert max(len(data["text"].encode()) for data in run.of("log")) <= 32_768
