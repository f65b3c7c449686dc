"""Who is told of which end, how often, and what is recorded of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import framework as fw
from framework.engine.apply import merge
from framework.engine.notifications import tell
from framework.engine.session import Session, current
from framework.notifiers.console import Console
from framework_run.events import Producer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DB", "STORAGE", "PROJECT", "PLUGINS"):
        monkeypatch.delenv(f"FRAMEWORK_{name}", raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@fw.function
def work(accuracy: float = 0.5, fail: bool = False) -> None:
    if fail:
        raise ValueError("as asked")
    fw.context().log_result("accuracy", accuracy)


KILLED = """
import os
import signal

import framework as fw


def main():
    pass


if __name__ == "__main__":
    fw.function(__file__ + ":main").run(notify=["webhook:URL"], watch=False)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def told(run: fw.TrackedRun) -> list[tuple[str, str]]:
    return [(told["to"], told["state"]) for told in run.document["status"].get("notifications", [])]


def test_an_inline_run_tells_of_its_end(hooks) -> None:
    run = work.run({"accuracy": 0.75}, notify=[f"webhook:{hooks.url}"])
    assert [body["run"]["uid"] for body in hooks.bodies] == [run.uid]
    assert hooks.bodies[0]["text"].startswith("work completed after 0.")
    assert "accuracy=0.75" in hooks.bodies[0]["text"]
    assert told(run) == [(f"webhook:{hooks.host}", "sent")]
    assert fw.runs()[0].document["status"] == run.document["status"]


def test_a_run_apart_tells_of_its_end(hooks, tmp_path) -> None:
    (tmp_path / "work.py").write_text("def main():\n    raise ValueError('as asked')\n")
    run = fw.function("work.py:main").run(notify=[f"webhook:{hooks.url}"], check=False)
    assert hooks.bodies[0]["run"]["cause"] == "UserError"
    assert hooks.bodies[0]["text"].startswith("work failed after ")
    assert told(run) == [(f"webhook:{hooks.host}", "sent")]


def test_a_run_that_is_repeated_tells_of_its_last_end_only(hooks, tmp_path) -> None:
    source = "import framework as fw\ndef main():\n    if fw.context().attempt < 3: raise ValueError('not yet')\n"
    (tmp_path / "work.py").write_text(source)
    retry = {"attempts": 3, "backoff": 0.01, "on": ["UserError"]}
    run = fw.function("work.py:main", life={"retry": retry}).run(notify=[f"webhook:{hooks.url}"])
    assert len(run.document["status"]["attempts"]) == 3
    assert [body["run"]["state"] for body in hooks.bodies] == ["completed"]


@pytest.mark.parametrize(
    ("entry", "params", "is_told"),
    [
        ({"on": ["failed"]}, {}, False),
        ({"on": "failed"}, {"fail": True}, True),
        ({"on": ["completed", "aborted"]}, {"fail": True}, False),
        ({"when": "results.accuracy < 0.9"}, {"accuracy": 0.8}, True),
        ({"when": "results.accuracy < 0.9"}, {"accuracy": 0.95}, False),
        ({"when": "results.accuracy < 0.9"}, {"fail": True}, False),
        ({"on": ["completed"], "when": "results.accuracy < 0.9 and params.accuracy = 0.8"}, {"accuracy": 0.8}, True),
    ],
)
def test_a_state_and_a_condition_choose(hooks, entry, params, is_told) -> None:
    run = work.run(params, notify=[{"to": f"webhook:{hooks.url}", **entry}], check=False)
    assert bool(hooks.bodies) is is_told
    assert bool(told(run)) is is_told


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        ("wehbook:x", fw.UnknownKind, "Unknown notifier 'wehbook'"),
        ("wehbook:{env:X}", fw.UnknownKind, "Unknown notifier 'wehbook'"),
        ("webhook:ftp://x", fw.UsageError, "none of http or https"),
        ({"to": "console", "on": ["running"]}, fw.UsageError, "'running' is no end of a run"),
        ({"to": "console", "when": "accuracy <"}, fw.ConditionError, "no field 'accuracy'"),
        ({"to": "console", "wen": "x"}, fw.UsageError, "no field 'wen'"),
        ({"on": ["failed"]}, fw.UsageError, "needs the field 'to'"),
        (7, fw.UsageError, "7 is no notification"),
    ],
)
def test_what_is_no_notification_is_refused_before_anything_runs(entry, error, words) -> None:
    with pytest.raises(error, match=words):
        work.run(notify=[entry])
    assert fw.runs() == []


def test_one_that_fails_is_recorded_and_fails_no_run(hooks) -> None:
    hooks.status = 500
    run = work.run(notify=[f"webhook:{hooks.url}", "webhook:http://127.0.0.1:1/k3y"])
    assert run.state == "completed"
    assert [each["state"] for each in run.document["status"]["notifications"]] == ["failed", "failed"]
    messages = [each["message"] for each in run.document["status"]["notifications"]]
    assert messages[0] == f"{hooks.host} answered 500 Internal Server Error"
    assert messages[1].startswith("http://127.0.0.1:1 cannot be reached: ")
    assert "k3y" not in str(run.document["status"])


def test_one_that_raises_anything_is_recorded_too(monkeypatch) -> None:
    def fail(_self, _notice):
        raise RuntimeError("the words of a plugin")

    monkeypatch.setattr(Console, "notify", fail)
    run = work.run(notify=["console"])
    assert run.document["status"]["notifications"][0]["message"] == "it failed with RuntimeError"


def test_who_is_interrupted_while_telling_has_not_ended_the_run_and_nobody_tells_again(monkeypatch, tmp_path) -> None:
    calls = []

    def interrupt(_self, notice):
        calls.append(notice.text)
        raise KeyboardInterrupt

    monkeypatch.setattr(Console, "notify", interrupt)
    (tmp_path / "work.py").write_text("def main():\n    return 1\n")
    run = fw.function("work.py:main").run(notify=["console"])
    assert (run.state, run.results) == ("completed", {"return": 1})
    assert told(run.refresh()) == [("console", "sending")]
    assert len(calls) == 1
    program = str(Path(sys.executable).parent / "framework")
    shown = subprocess.run([program, "runs", "show"], capture_output=True, text=True, check=True).stdout
    assert "console  begun, and nothing is known of its end" in shown


def test_the_address_may_be_a_secret(hooks, monkeypatch, home) -> None:
    monkeypatch.setenv("HOOK", hooks.url)
    run = work.run(notify=["webhook:{env:HOOK}"])
    assert told(run) == [(f"webhook:{hooks.host}", "sent")]
    monkeypatch.delenv("HOOK")
    run = work.run(notify=["webhook:{env:HOOK}"])
    assert told(run) == [("webhook", "failed")]
    assert "(env:HOOK) is not there" in run.document["status"]["notifications"][0]["message"]
    assert not any(b"k3y-of" in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_secret_of_the_run_may_be_its_address_and_its_value_becomes_the_reference(hooks, monkeypatch, home) -> None:
    monkeypatch.setenv("HOOK", hooks.url)

    @fw.function(environment={"secrets": {"URL": "env:HOOK"}})
    def quiet() -> None:
        """Nothing."""

    run = quiet.run(notify=["webhook:{secret:URL}", f"webhook:{hooks.url}"])
    again = quiet.run(notify=[{"to": f"webhook:{hooks.url}"}])
    assert run.document["spec"]["notifications"] == [{"to": "webhook:{env:HOOK}"}] * 2
    assert again.document["spec"]["notifications"] == [{"to": "webhook:{env:HOOK}"}]
    assert len(hooks.bodies) == 3
    assert not any(b"k3y-of" in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_project_tells_of_each_of_its_runs(hooks) -> None:
    fw.project("loud", notify=[f"webhook:{hooks.url}"])
    fw.project("loud", defaults={"life": {"ttl": 60}})  # which leaves the rest as it is

    def other() -> None:
        """Another function."""

    work_there = fw.project("loud").function(other)
    work_there.run()
    work_there.run(notify=[{"to": f"webhook:{hooks.url}", "on": ["failed"]}])
    work.run()
    assert len(hooks.bodies) == 2


def test_of_several_that_record_an_end_one_tells(hooks) -> None:
    run = work.run()
    session = current()
    document = {**run.document, "spec": {**run.document["spec"], "notifications": [{"to": f"webhook:{hooks.url}"}]}}
    gate = threading.Barrier(4)

    def race() -> None:
        own = Session()
        try:
            gate.wait()
            tell(own, document)
        finally:
            own.database.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell(session, session.database.run(run.uid))
    assert len(hooks.bodies) == 1
    assert [each["state"] for each in session.database.run(run.uid)["status"]["notifications"]] == ["sent"]


@pytest.mark.slow
def test_a_run_whose_client_was_killed_tells_when_it_is_collected(hooks, tmp_path) -> None:
    (tmp_path / "work.py").write_text(KILLED.replace("URL", hooks.url))
    subprocess.run([sys.executable, "work.py"], check=False, env=dict(os.environ))
    fw.runs()[0].wait()
    assert [body["run"]["state"] for body in hooks.bodies] == ["completed"]


def test_the_first_claim_stands_and_only_its_owner_says_what_came_of_it() -> None:
    producer = Producer({"uid": "0198"})
    base = [producer.event("state", {"state": "running"})]

    def said(by: str, state: str) -> dict:
        data = {"key": "0/1/failed/", "by": by, "to": "console", "state": state}
        return {**base[0], "seq": 0, "kind": "notification", "data": data}

    document = {"metadata": {"uid": "0198"}, "spec": {}, "status": {}}
    for events in (
        [said("a", "sending"), said("b", "sending"), said("b", "failed"), said("a", "sent")],
        [said("a", "sending"), said("a", "sent"), said("b", "sending"), said("a", "sending")],
    ):
        merged = merge(document, {}, [*base, *events])
        assert [(each["by"], each["state"]) for each in merged.document["status"]["notifications"]] == [("a", "sent")]


@pytest.mark.slow
@pytest.mark.parametrize("watch", ["--watch", "--detach"])
def test_the_command_line(hooks, tmp_path, watch) -> None:
    source = "import framework as fw\ndef main(): fw.context().log_result('accuracy', 0.5)\n"
    (tmp_path / "work.py").write_text(source)
    program = str(Path(sys.executable).parent / "framework")
    words = ["run", "work.py:main", "--notify", f"webhook:{hooks.url}", "--notify", "console", watch]
    words += ["--notify-on", "completed,failed", "--notify-when", "results.accuracy < 0.9"]
    ended = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    if watch == "--detach":
        assert hooks.bodies == []
        ended = subprocess.run(
            [program, "logs", "-f", ended.stdout.strip()], capture_output=True, text=True, check=True
        )
    assert len(hooks.bodies) == 1
    assert "work completed after" in ended.stderr
    shown = subprocess.run([program, "runs", "show"], capture_output=True, text=True, check=True)
    assert f"webhook:{hooks.host}  sent" in shown.stdout


def test_states_without_somebody_to_tell_are_refused() -> None:
    program = str(Path(sys.executable).parent / "framework")
    words = [program, "run", "work.py:main", "--notify-on", "failed"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "nobody is to be told" in ended.stderr
