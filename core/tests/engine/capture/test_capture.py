"""What a run records of the side that started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.engine.capture import capture, head
from framework.engine.capture.capture import Capture
from framework.engine.packages import package_lines
from framework.errors import NotFound
from framework_run import surroundings


class Contents:
    """A database, as far as contents go."""

    def __init__(self):
        self.kept = {}
        self.applied = []

    def put_content(self, content):
        digest = surroundings.digest_of(content.decode().splitlines())
        self.kept[digest] = content
        return digest

    def content(self, digest):
        if digest not in self.kept:
            raise NotFound(digest)
        return self.kept[digest]

    def apply(self, uid, events):
        self.applied.append((uid, events))


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    monkeypatch.setattr(capture, "_probes", {})
    monkeypatch.setattr(capture, "_AT_MOST", 60.0)  # git is slow on a busy machine
    capture._system.cache_clear()


def test_the_facts_of_a_clean_checkout(git, top):
    git("checkout", "-q", "-b", "feature")
    facts = Capture(top, []).settle()
    assert facts["git"] == {"commit": git("rev-parse", "HEAD").strip(), "branch": "feature", "dirty": False}
    assert facts["python"] == sys.version.split()[0]
    assert facts["folder"] == str(Path.cwd())
    assert facts["packages"].startswith("sha256:")


def test_outside_of_a_checkout_there_is_no_git(tmp_path):
    assert "git" not in Capture(None, []).settle()


def test_facts_are_made_once(git, top, monkeypatch):
    monkeypatch.setattr(capture, "_FRESH", 1e9)
    looked = Capture(top, [])
    first = looked.settle()
    assert looked.facts() is first


def test_a_commit_is_seen_after_a_second(git, top, monkeypatch):
    looked = Capture(top, [])
    before = looked.settle()["git"]["commit"]
    git("commit", "-q", "--allow-empty", "-m", "second")
    monkeypatch.setattr(capture, "_FRESH", 0.0)
    assert looked.settle()["git"]["commit"] == git("rev-parse", "HEAD").strip() != before


def test_another_folder_is_another_fact(tmp_path, monkeypatch):
    looked = Capture(None, [])
    before = looked.facts()["folder"]
    monkeypatch.chdir(tmp_path)
    assert looked.facts()["folder"] == str(tmp_path) != before


def test_contents_are_kept_once(git, top):
    (top / "job.py").write_text("x = 1\n")
    looked, database = Capture(top, []), Contents()
    git_facts = looked.settle()["git"]
    looked.keep(database)
    assert b"+x = 1\n" in database.content(git_facts["patch"])
    assert b"pytest==" in database.content(looked.facts()["packages"])
    database.kept.clear()
    looked.keep(database)
    assert not database.kept


def test_a_run_that_ends_before_git_is_told_later(git, top, monkeypatch):
    looked, database = Capture(top, []), Contents()
    monkeypatch.setattr(looked._probe, "poll", lambda: None)
    assert looked.late(database, "u1") is None
    monkeypatch.undo()
    looked._pay()
    ((uid, (event,)),) = database.applied
    assert (uid, event["kind"], event["seq"]) == ("u1", "client", 0)
    assert event["data"]["git"]["commit"] == git("rev-parse", "HEAD").strip()
    looked._pay()
    assert len(database.applied) == 1


def test_the_head_is_read_without_git(git, top, tmp_path):
    commit = git("rev-parse", "HEAD").strip()
    assert head.commit_of(top) == commit
    git("pack-refs", "--all")
    assert head.commit_of(top) == commit
    git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    assert head.commit_of(tmp_path / "other") == commit
    git("checkout", "-q", "--detach")
    assert head.commit_of(top) == commit
    assert head.top_of(top / "deep" / "er") == top


def test_lists_of_packages_by_their_digest():
    database = Contents()
    digest = database.put_content(b"a==1\n")
    assert package_lines(database, {"packages": digest}) == ["a==1"]
    assert package_lines(database, {"packages": "sha256:0"}) is None
    assert package_lines(database, {}) is None


def test_packages_are_read_from_the_folders_names(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for name in ("Foo_Bar-1.0.dist-info", "here-0.1.dist-info", "old-2.0-py3.11.egg-info", "odd.egg-info"):
        (first / name).mkdir(parents=True)
    (second / "foo.bar-2.0.dist-info").mkdir(parents=True)
    (first / "here-0.1.dist-info" / "direct_url.json").write_text(json.dumps({"url": "file:///src", "dir_info": {}}))
    assert surroundings.packages([str(first), str(second), str(tmp_path / "none")]) == [
        "foo-bar==1.0",
        "here==0.1 @ file:///src",
        "odd==unknown",
        "old==2.0",
    ]


def test_packages_are_those_that_importlib_finds():
    from importlib.metadata import distributions

    normal = {d.metadata["Name"].replace("_", "-").replace(".", "-").lower() for d in distributions()}
    assert {line.partition("==")[0] for line in surroundings.packages(sys.path)} == normal


SCRIPT = """
import framework as fw

@fw.function
def double(number: int) -> int:
    return 2 * number

double.run(params={"number": 1})
"""


def test_an_inline_run_of_a_short_script_has_its_patch(git, top, tmp_path):
    """The script ends at once: what git says is waited for."""
    (top / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "FRAMEWORK_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-W", "error", "script.py"], cwd=top, env=environment, check=True, timeout=100)
    tool = str(Path(sys.executable).parent / "framework")
    listed = subprocess.run([tool, "runs", "list", "--json"], env=environment, check=True, capture_output=True)
    (run,) = json.loads(listed.stdout)
    facts = run["status"]["environment"]
    assert facts["git"]["dirty"]
    assert "run" not in facts
    shown = subprocess.run(
        [tool, "runs", "patch", run["metadata"]["uid"]], env=environment, check=True, capture_output=True
    )
    (top / "script.py").unlink()
    git("apply", "-", content=shown.stdout)
    assert (top / "script.py").read_text() == SCRIPT


def test_a_run_has_the_packages_of_its_own_path(tmp_path):
    """PYTHONPATH is the handler's, though the supervisor is isolated."""
    (tmp_path / "job.py").write_text("def f() -> int:\n    return 1\n")
    (tmp_path / "more" / "mine-1.0.dist-info").mkdir(parents=True)
    environment = {**os.environ, "FRAMEWORK_HOME": str(tmp_path / "home"), "PYTHONPATH": str(tmp_path / "more")}
    tool = str(Path(sys.executable).parent / "framework")
    done = subprocess.run(
        [tool, "run", "job.py:f", "--json"], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=100
    )
    facts = json.loads(done.stdout)["status"]["environment"]
    assert facts["run"]["packages"] == facts["packages"]


@pytest.mark.parametrize(
    ("files", "devices", "models"),
    [
        ({"gpus/0/information": "Model: \t NVIDIA A100\nIRQ: 1\n"}, ["nvidia0"], ["NVIDIA A100"]),
        ({}, ["nvidia0", "nvidia1", "nvidiactl"], ["NVIDIA GPU", "NVIDIA GPU"]),
        ({}, ["accel0", "kfd"], ["accelerator", "AMD GPU"]),
        ({}, ["null"], []),
    ],
)
def test_accelerators_are_told_by_what_the_system_shows(files, devices, models, monkeypatch):
    listed = {"/proc/driver/nvidia/gpus": ["0"] if files else [], "/dev": devices}
    monkeypatch.setattr(surroundings, "_listed", listed.__getitem__)
    monkeypatch.setattr(surroundings, "_read", lambda path: files[path.removeprefix("/proc/driver/nvidia/")])
    assert surroundings.accelerators() == models
