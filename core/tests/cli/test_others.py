from __future__ import annotations

import json

import pytest

from framework.engine.session import current

COMPLETED = {"state": "completed"}


@pytest.fixture
def artifact(add_run, tmp_path):
    """An artifact with its content in the storage; the uid of its run."""
    kept = current().storage.put(b"content")
    data = {
        "key": "model",
        "type": "model",
        "format": "pickle",
        "name": "model.pkl",
        "digest": kept.digest,
        "size": 7,
        "uri": kept.uri,
        "metadata": {"depth": 3},
    }
    return add_run(events=(("artifact", data),), end=COMPLETED)


def test_artifacts_are_listed_shown_and_fetched(cli, artifact, tmp_path):
    (line,) = cli("artifacts", "list").out.splitlines()[1:]
    assert line.split()[:4] == ["model", "default", "model", "pickle"]
    assert json.loads(cli("artifacts", "list", "--run", artifact[:20], "--json").out)[0]["metadata"]["key"] == "model"
    page = cli("artifacts", "show", "model").out
    assert all(part in page for part in ("model pickle", "7 B", artifact, "depth=3"))
    assert cli("artifacts", "get", "model").code == 0
    assert (tmp_path / "model.pkl").read_bytes() == b"content"
    assert cli("artifacts", "get", "store://default/model", "-o", "copy.bin").code == 0
    assert (tmp_path / "copy.bin").read_bytes() == b"content"
    (tmp_path / "folder").mkdir()
    assert cli("artifacts", "get", "model", "--run", artifact, "-o", "folder").code == 0
    assert (tmp_path / "folder" / "model.pkl").read_bytes() == b"content"
    assert cli("artifacts", "get", "model", "-o", "-").out == "content"


def test_fetching_overwrites_nothing(cli, artifact, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"mine")
    assert cli("artifacts", "get", "model").code == 2
    assert (tmp_path / "model.pkl").read_bytes() == b"mine"


def test_an_artifact_that_is_not_there_is_said(cli, artifact):
    assert cli("artifacts", "show", "nothing").code == 2
    done = cli("artifacts", "get", "nothing", "--run", artifact)
    assert done.code == 2
    assert "it has: model" in done.err
    assert "No artifact fits." in cli("artifacts", "list", "--project", "empty").err


def test_projects_are_created_once(cli):
    assert json.loads(cli("project", "list", "--json").out)[0]["metadata"]["name"] == "default"
    done = cli("project", "create", "vision", "--label", "team=x", "--description", "Eyes", "--json")
    assert json.loads(done.out)["metadata"] == {"name": "vision", "labels": {"team": "x"}, "description": "Eyes"}
    assert cli("project", "create", "vision").code == 2
    assert "Eyes" in cli("project", "show", "vision").out
    assert cli("project", "show", "nothing").code == 2
    assert cli("project", "create", "not a name").code == 2


def test_a_setting_says_where_it_comes_from(cli, home, monkeypatch):
    assert cli("config", "set", "project", "vision").code == 0
    assert cli("config", "get", "project").out == "vision\n"
    rows = {row["setting"]: row for row in json.loads(cli("config", "show", "--json").out)}
    assert rows["project"] == {"setting": "project", "value": "vision", "origin": str(home / "config.toml")}
    assert rows["db"]["origin"] == "default"
    monkeypatch.setenv("FRAMEWORK_PROJECT", "other")
    assert "FRAMEWORK_PROJECT" in cli("config").out
    assert cli("config", "get", "project").out == "other\n"


def test_a_setting_that_is_none_is_answered_with_the_nearest(cli):
    for words in (["get", "projct"], ["set", "projct", "x"]):
        done = cli("config", *words)
        assert (done.code, "'project'" in done.err) == (2, True)


def test_plugins_are_listed_with_their_state(cli):
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(cli("plugins", "--json").out)}
    assert states["db-sql"] == "loaded"
    assert states["runtime-local"] == "blocked"
    assert "database sqlite" in cli("plugins").out


def test_no_plugins_means_none(cli, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "db-sql")  # restored afterwards; the flag wins over it
    done = cli("--no-plugins", "runs", "list")
    assert done.code == 2
    assert "db-sql is blocked" in done.err


def test_doctor_is_content_with_a_new_home(cli):
    done = cli("doctor")
    assert done.code == 0
    assert "database: sqlite" in done.out
    assert all(finding["ok"] for finding in json.loads(cli("doctor", "--json").out))


def test_doctor_says_what_is_wrong_and_goes_on(cli, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_DB", "sqlite:////proc/nowhere/x.db")
    done = cli("doctor")
    assert done.code == 1
    assert "wrong   database" in done.out
    assert "ok      storage" in done.out


def test_doctor_does_not_guess_which_function_is_meant(cli):
    done = cli("doctor", "-o", "colour=red")
    assert done.code == 2
    assert "of which function?" in done.err


def test_the_version_names_the_plugins(cli):
    assert "framework-db-sql" in json.loads(cli("version", "--json").out)["plugins"]
    assert cli("version").out.startswith("framework 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell, cli):
    assert "_FRAMEWORK_COMPLETE" in cli("completion", shell).out
