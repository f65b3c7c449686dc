"""``framework dask cluster``: which of several clusters of one name is meant, and what is said while one ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import click
import pytest
from click.testing import CliRunner

from framework.errors import NotFound, UsageError
from framework_runtime_dask import commands
from framework_runtime_dask.provider import Place


class Owner:
    """A provider that only notes what it is asked to close."""

    def __init__(self):
        self.closed = []

    def close(self, place):
        self.closed.append(place)


def place(provider, **facts):
    return Place(provider=provider, cluster="train", address=f"tcp://{provider}:1", security={}, facts=facts)


LOCAL = place("local")
FIRST, SECOND = (place("operator", context="lab", namespace=name) for name in ("team-a", "team-b"))


@pytest.fixture
def owner(monkeypatch):
    made = Owner()
    monkeypatch.setattr(commands, "_all", lambda: [(made, each) for each in (LOCAL, FIRST, SECOND)])
    return made


def close(*words):
    done = CliRunner().invoke(commands.dask, ["cluster", "close", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_one_of_several_is_closed_only_where_it_is_said_which(owner):
    with pytest.raises(
        UsageError, match="there are 3 clusters 'train': local, operator lab/team-a, operator lab/team-b"
    ):
        close("train")
    with pytest.raises(UsageError, match="there are 2 clusters 'train'"):
        close("train", "--provider", "operator")
    with pytest.raises(NotFound, match="there is no cluster 'other'"):
        close("other")
    assert owner.closed == []
    close("train", "--namespace", "team-b")
    close("train", "--provider", "local")
    assert owner.closed == [SECOND, LOCAL]


def test_what_takes_long_to_close_is_said_to(owner, monkeypatch):
    said, echo = threading.Event(), click.echo
    monkeypatch.setattr(commands.click, "echo", lambda words, err: (echo(words, err=err), said.set()))
    monkeypatch.setattr(owner, "close", lambda place: said.wait(30))
    monkeypatch.setattr(commands, "_SLOW", 0.05)
    slow, closed = close("train", "--provider", "local").splitlines()
    assert slow.startswith("train is being closed: ")
    assert closed == "train is closed."


def test_what_is_closed_at_once_is_said_once(owner):
    assert close("train", "--provider", "local").splitlines() == ["train is closed."]


def test_the_list_says_where_each_is(owner):
    said = CliRunner().invoke(commands.dask, ["cluster", "list"]).output
    rows = [line.split()[:3] for line in said.splitlines()[1:4]]
    assert rows == [["train", "local", "-"], ["train", "operator", "team-a"], ["train", "operator", "team-b"]]


@pytest.mark.slow
def test_doctor_takes_the_options_of_a_run_and_names_them_in_the_next_command(tmp_path):
    (tmp_path / "job.py").write_text("def main(): pass\n")
    target = f"{tmp_path / 'job.py'}:main"

    def doctor(*words):
        ended = subprocess.run(
            [sys.executable, "-m", "framework", "doctor", target, "--kind", "dask", *words],
            env={**os.environ, "FRAMEWORK_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr

    code, said, after = doctor("-o", "memory=1GiB", "--set", "spec.environment.env.A=b c")
    assert (code, said) == (0, "ok      kind dask: nothing to ask\n")
    assert f"framework run {target} --kind dask --set 'spec.environment.env.A=b c' -o memory=1GiB" in after
    code, said, after = doctor("-o", "memory=1MB")
    assert code == 1
    assert said.startswith("wrong   function: options.memory is '1MB', and a worker of Dask needs 128MiB")
    assert f"framework doctor --kind dask {target} -o memory=1MB" in after
