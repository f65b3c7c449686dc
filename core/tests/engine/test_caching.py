"""Caching: a hit is a run of its own that says what it reused; whatever is another thing is run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import framework as fw
from framework.documents.identity import identity, version_of
from framework.engine.capture.repository import Probe
from framework.engine.session import current
from framework.models import Function, FunctionSpec
from framework.models.function import Cache


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a source that changes within a second is read anew
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT", "FRAMEWORK_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield
    current().database.close()


SOURCE = """
import pathlib
import framework as fw

def train(depth: int = 2, data: pathlib.Path | None = None) -> float:
    with open("count", "a") as stream:
        stream.write("x")
    context = fw.context()
    for step in range(3):
        context.log_metric("loss", 1 / (step + depth), step=step)
    context.log_artifact("notes", {"text": "hello"})
    if depth == 0:
        raise ValueError(depth)
    return depth * 2.0
"""


@pytest.fixture
def count(tmp_path):
    """How often the function was really run."""
    return lambda: len((tmp_path / "count").read_text()) if (tmp_path / "count").exists() else 0


def load(tmp_path: Path, source: str = SOURCE):
    """The function of a module that is loaded anew."""
    path = tmp_path / "job.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("job", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["job"] = module
    spec.loader.exec_module(module)
    return module.train


@pytest.fixture
def train(tmp_path):
    before = sys.modules.get("job")
    yield fw.function(load(tmp_path)).runnable
    sys.modules.pop("job", None)
    if before is not None:
        sys.modules["job"] = before


@pytest.mark.parametrize("inline", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_hit_has_what_the_first_run_gave(train, count, inline):
    first = train.run(params={"depth": 3}, cache=True, inline=inline)
    second = train.run(params={"depth": 3}, cache=True, inline=inline)
    assert count() == 1
    assert second.state == "completed"
    assert second.uid != first.uid
    assert second.document["status"]["cached_from"] == first.uid
    assert second.results == first.results == {"return": 6.0}
    assert second.metric("loss") == first.metric("loss")
    assert second.artifacts == first.artifacts
    assert len(second.artifacts) == 1
    assert first.uid in second.logs()
    third = train.run(params={"depth": 3}, cache=True, inline=inline)
    assert third.document["status"]["cached_from"] == first.uid  # the run that ran, not the one that reused it


def test_it_is_off_unless_asked_for(train, count):
    for _ in range(2):
        run = train.run(params={"depth": 3})
        assert "cache" not in run.document["spec"]
    assert count() == 2


def test_what_was_run_without_it_is_not_reused(train, count):
    train.run(params={"depth": 3})
    run = train.run(params={"depth": 3}, cache=True)
    assert run.document["spec"]["cache"]["miss"] == "no completed run of the same key is recorded"
    assert count() == 2


def test_other_parameters_inputs_and_names_are_another_key(train, count, tmp_path):
    (tmp_path / "d").write_text("1")
    asked = [
        {"params": {"depth": 3}},
        {"params": {"depth": 4}},
        {"params": {"depth": 3}, "inputs": {"data": "d"}},
        {"params": {"depth": 3}, "returns": ["score"]},
    ]
    for request in asked:
        train.run(cache=True, **request)
    assert count() == 4
    for request in asked:
        train.run(cache=True, **request)
    assert count() == 4
    (tmp_path / "d").write_text("2")
    train.run(cache=True, **asked[2])
    assert count() == 5


def test_other_code_is_another_key(train, count, tmp_path):
    train.run(params={"depth": 3}, cache=True)
    other = fw.function(load(tmp_path, SOURCE.replace("2.0", "3.0"))).runnable
    assert other.run(params={"depth": 3}, cache=True).results == {"return": 9.0}
    assert count() == 2


def test_other_packages_are_another_key(train, count, monkeypatch):
    from framework.engine.capture import capture

    train.run(params={"depth": 3}, cache=True)
    monkeypatch.setattr(capture, "package_set", lambda: ("sha256:other", b""))
    monkeypatch.setattr(capture, "_FRESH", 0.0)
    train.run(params={"depth": 3}, cache=True)
    assert count() == 2


def test_other_variables_in_a_file_are_another_key(tmp_path, train):
    from framework.engine.plan import plan
    from framework.engine.request import RunRequest

    keys = set()
    for text in ("A=1\n", "A=2\n"):
        (tmp_path / "vars").write_text(text)
        request = RunRequest(
            target="job.py:train",
            overrides={"environment": {"env_from_file": "vars"}},
            cache={"enabled": True},
        )
        keys.add(plan(current(), request).run["spec"]["cache"]["key"])
    assert len(keys) == 2


def test_a_failed_run_is_not_reused(train, count):
    for _ in range(2):
        train.run(params={"depth": 0}, cache=True, check=False)
    assert count() == 2


def test_what_is_too_old_is_run_again(train, count):
    first = train.run(params={"depth": 3}, cache={"ttl": 3600})
    train.run(params={"depth": 3}, cache={"ttl": 3600})
    assert count() == 1
    run = train.run(params={"depth": 3}, cache={"ttl": 0})
    assert run.document["spec"]["cache"]["miss"] == f"the run {first.uid} ended more than 0 s ago"
    assert count() == 2


def test_what_has_lost_its_artifacts_is_run_again(train, count):
    first = train.run(params={"depth": 3}, cache=True)
    current().storage.delete(first.artifacts["notes"]["uri"])
    run = train.run(params={"depth": 3}, cache=True)
    assert run.document["spec"]["cache"]["miss"] == f"the artifact 'notes' of the run {first.uid} is gone"
    assert count() == 2


def test_a_function_may_say_it_for_its_runs(tmp_path, train, count):
    always = fw.function(cache=True)(load(tmp_path))
    first = always.run(params={"depth": 3})
    assert always.run(params={"depth": 3}).document["status"]["cached_from"] == first.uid
    assert count() == 1
    always.run(params={"depth": 3}, cache=False)
    assert count() == 2


def test_a_function_that_does_not_say_it_keeps_its_version():
    cached = Function(spec=FunctionSpec(cache=Cache(enabled=True)))
    assert version_of(cached) != version_of(Function())
    assert "cache" not in identity(Function())["spec"]


@pytest.mark.parametrize("wrong", [{"ttl": "soon"}, {"time": 3}])
def test_a_policy_that_is_none_is_refused(train, wrong):
    with pytest.raises(fw.DocumentError, match="cache"):
        train.run(params={"depth": 3}, cache=wrong)


def test_a_closure_is_not_reused(count):
    def outer(number):
        def inner(depth: int) -> int:
            return depth * number

        return fw.function(inner).runnable

    assert outer(2).run(params={"depth": 3}, cache=True).results == {"return": 6}
    run = outer(3).run(params={"depth": 3}, cache=True)
    assert run.results == {"return": 9}
    assert "is not in its version" in run.document["spec"]["cache"]["miss"]


def test_a_command_is_not_reused():
    """What it runs may have changed: its version has its words alone."""
    from framework.engine.plan import plan
    from framework.engine.request import RunRequest

    planned = plan(current(), RunRequest(command=["python", "train.py"], cache={"enabled": True}))
    assert planned.run["spec"]["cache"] == {"miss": "what the command runs is not in its version"}


@pytest.mark.timeout(300)
def test_many_at_once(train, count):
    """Each is completed, whether it ran or reused one that had; nothing is reused that was not there."""
    runs = []
    threads = [
        threading.Thread(target=lambda: runs.append(train.run(params={"depth": 5}, cache=True))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.results for run in runs] == [{"return": 10.0}] * 6
    ran = [run.uid for run in runs if "key" in run.document["spec"]["cache"]]
    assert len(ran) == count()
    assert {run.document["status"].get("cached_from", ran[0]) for run in runs} <= set(ran)


def test_a_run_apart_that_reuses_another_says_its_commit_although_git_is_slow(tmp_path, monkeypatch):
    (tmp_path / "job.py").write_text(SOURCE)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "job.py"], [*who, "commit", "-qm", "a"]):
        subprocess.run(["git", *words], check=True)
    job = fw.function("job.py:train")
    first = job.run(cache=True)
    poll, looks = Probe.poll, iter(range(3))
    monkeypatch.setattr(Probe, "poll", lambda probe: poll(probe) if next(looks, None) is None else None)
    hit = job.run(cache=True)
    assert hit.cached_from == first.uid
    commits = {run.document["status"]["environment"]["git"]["commit"] for run in (first, hit)}
    assert len(commits - {""}) == 1
