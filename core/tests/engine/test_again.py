"""A recorded run as a request again."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import framework as fw
from framework.engine.again import request_again
from framework.engine.execute import execute
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.engine.session import Session, current

CODE = """
from pathlib import Path
def main(n: int, data: Path, rate: float = 1.0):
    return n, data.read_text(), rate, str(Path.cwd())
"""


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    for name in ("DB", "STORAGE", "PROJECT", "PLUGINS"):
        monkeypatch.delenv(f"FRAMEWORK_{name}", raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))


@pytest.fixture
def session() -> Session:
    return current()


def _first(session: Session, folder: Path, **over: object) -> dict[str, object]:
    folder.mkdir()
    (folder / "job.py").write_text(CODE)
    (folder / "data.txt").write_text("content")
    asked: dict[str, object] = {
        "target": str(folder / "job.py"),
        "handler": "main",
        "params": {"n": "3", "rate": math.inf},
        "raw": ["n"],
        "inputs": {"data": "data.txt"},
        "returns": ["a", "b", "c", "d"],
        "name": "first",
        "labels": {"team": "x"},
        "timeouts": {"run": 60.0},
        "resources": {"limits": {"memory": "4Gi"}},
    }
    return execute(session, plan(session, RunRequest(**{**asked, **over})))  # type: ignore[arg-type]


def test_all_that_was_asked_for_is_asked_for_again(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("content")
    run = _first(session, tmp_path / "code")
    request = request_again(session, run)
    assert request.target == run["spec"]["function"]
    assert (request.params, request.raw) == ({"n": "3", "rate": math.inf}, ["n"])
    assert request.returns == ["a", "b", "c", "d"]
    assert (request.name, request.project, request.labels, request.kind) == ("first", "default", {"team": "x"}, "local")
    assert (request.timeouts, request.resources) == ({"run": 60.0}, {"limits": {"memory": "4Gi"}})


def test_it_runs_the_same_from_another_folder(session, tmp_path, monkeypatch):
    (tmp_path / "data.txt").write_text("content")
    monkeypatch.chdir(tmp_path)
    run = _first(session, tmp_path / "code")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "code" / "job.py").write_text("def main(n): raise SystemExit('changed')")
    again = execute(session, plan(session, request_again(session, run)))
    assert again["status"]["state"] == "completed", again["status"]
    assert again["status"]["results"] == run["status"]["results"]
    assert again["status"]["results"]["d"] == str(tmp_path)
    assert again["spec"] == run["spec"]
    assert again["metadata"]["uid"] != run["metadata"]["uid"]


def test_defaults_that_its_project_has_got_since_do_not_change_its_version(session, tmp_path, monkeypatch):
    (tmp_path / "data.txt").write_text("content")
    monkeypatch.chdir(tmp_path)
    run = _first(session, tmp_path / "code")
    fw.project("default", defaults={"environment": {"env": {"A": "1"}}})
    assert plan(session, request_again(session, run)).run["spec"]["function"] == run["spec"]["function"]


def test_an_empty_request_leaves_no_empty_fields_in_the_record(session):
    run = fw.function(lambda: 1).run().document
    assert not {"raw", "resources", "retry", "timeouts"} & set(run["spec"])


def test_a_run_without_a_function_of_its_own_names_the_one_that_opened_it(session):
    child = {"metadata": {"uid": "u", "name": "n"}, "spec": {"parent": "the-parent"}}
    with pytest.raises(fw.UsageError, match="opened by another run") as caught:
        request_again(session, child)
    assert "the-parent" in caught.value.advice


def test_a_function_that_is_gone_is_said(session, tmp_path, monkeypatch):
    (tmp_path / "data.txt").write_text("content")
    monkeypatch.chdir(tmp_path)
    run = _first(session, tmp_path / "code")
    session.database.delete_function("default", "job")
    with pytest.raises(fw.NotFound):
        request_again(session, run)


def test_the_arguments_of_a_script_are_given_again(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text("import sys\nprint(sys.argv[1:])\n")
    run = execute(session, plan(session, RunRequest(target="script.py", command=["--epochs", "3"])))
    again = execute(session, plan(session, request_again(session, run)))
    assert again["spec"]["function"] == run["spec"]["function"]
    assert again["spec"]["args"] == ["--epochs", "3"]
    pieces = session.database.log(again["metadata"]["uid"])
    assert b"".join(piece.data for piece in pieces) == b"['--epochs', '3']\n"
