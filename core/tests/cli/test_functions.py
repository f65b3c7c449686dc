from __future__ import annotations

import json

import pytest
import yaml

from framework.documents.converters import dump
from framework.documents.identity import version_of
from framework.models import Function, FunctionMetadata, FunctionSpec
from framework.models.function import Code, EntryPoint, Environment, FunctionStatus, Parameter


def function(content: str = "a", **environment: object) -> Function:
    code = Code(
        path="/somewhere/train.py", files={"train.py": f"sha256:{content * 64}"}, module="train", handler="train"
    )
    parameters = [Parameter(name="depth", annotation="int", default="3")]
    made = Function(
        metadata=FunctionMetadata(name="train", description="Trains"),
        spec=FunctionSpec(code=code, environment=Environment(**environment)),
        status=FunctionStatus(entry_points=[EntryPoint(name="train", parameters=parameters, returns="float")]),
    )
    made.status.version = version_of(made)
    return made


@pytest.fixture
def versions(database):
    """Two versions of one function, the older first."""
    made = [function("a"), function("b", image="python:3.12")]
    return [database.put_function(dump(each)) for each in made]


def test_no_functions_says_what_to_do_first(cli):
    assert "framework run FILE.py:FUNCTION" in cli("function", "list").err
    assert json.loads(cli("function", "list", "--json").out) == []


def test_the_list_has_the_latest_version(cli, versions):
    (line,) = cli("function", "list").out.splitlines()[1:]
    assert line.split()[:4] == ["train", "default", "local", versions[1][:19]]


def test_show_names_entry_points_and_spec(cli, versions):
    page = cli("function", "show", "train").out
    assert "train(depth: int = 3) -> float" in page
    assert "image: python:3.12" in page
    assert versions[1] in page
    assert json.loads(cli("function", "show", f"train@{versions[0]}", "--json").out)["status"]["version"] == versions[0]


def test_a_version_is_named_by_its_beginning_or_its_uri(cli, versions):
    for name in (f"train@{versions[0][:19]}", f"db://default/train@{versions[0]}"):
        assert json.loads(cli("function", "show", name, "--json").out)["status"]["version"] == versions[0]


def test_history_lists_the_latest_first_and_counts_runs(cli, versions, add_run):
    add_run(spec={"function": f"db://default/train@{versions[0]}"})
    done = cli("function", "history", "train")
    lines = done.out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [versions[1][:19], versions[0][:19]]
    assert "latest" in lines[0]
    assert [line.split()[-1] for line in lines] == ["0", "1"]
    assert f"framework function diff train@{versions[0][:19]} train@{versions[1][:19]}" in done.err


def test_diff_names_files_and_fields(cli, versions):
    first, second = (f"train@{version}" for version in versions)
    done = cli("function", "diff", first, second)
    rows = [line.split() for line in done.out.splitlines()[1:]]
    assert rows == [["code", "train.py", "a" * 12, "b" * 12], ["spec", "environment.image", "-", "python:3.12"]]
    document = json.loads(cli("function", "diff", first, f"@{versions[1]}", "--json").out)
    assert (document["from"]["version"], document["to"]["version"]) == tuple(versions)
    image = {"section": "spec", "field": "environment.image", "from": None, "to": "python:3.12"}
    assert image in document["changes"]
    assert document == json.loads(cli("diff", first, second, "--json").out)


def test_the_same_version_has_no_difference(cli, versions):
    done = cli("function", "diff", "train", "train:latest")
    assert (done.out, "They are the same version." in done.err) == ("", True)


def test_a_tag_names_a_version_and_moves(cli, versions):
    assert cli("function", "tag", f"train@{versions[0]}", "v1").code == 0
    assert json.loads(cli("function", "show", "train:v1", "--json").out)["status"]["version"] == versions[0]
    assert cli("function", "tag", "train", "v1").code == 0
    assert json.loads(cli("function", "show", "train:v1", "--json").out)["status"]["version"] == versions[1]


@pytest.mark.parametrize("tag", ["latest", "a b", "-x", "a/b"])
def test_a_tag_that_cannot_be_one_is_refused(tag, cli, versions):
    done = cli("function", "tag", "train", "--", tag)
    assert done.code == 2
    assert tag in done.err


def test_export_and_import_keep_the_version(cli, versions, tmp_path):
    text = cli("function", "export", "train").out
    assert yaml.safe_load(text)["metadata"]["name"] == "train"
    path = tmp_path / "train.yaml"
    assert cli("function", "export", "train", "-o", str(path)).code == 0
    assert path.read_text() == text
    assert cli("function", "export", "train", "-o", str(path)).code == 2  # nothing is overwritten
    done = cli("function", "import", str(path), "--project", "other", "--json")
    kept = json.loads(done.out)
    assert (kept["metadata"]["project"], kept["status"]["version"]) == ("other", versions[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: [local", "line"),
        ("kind: local\nspec: {enviroment: {}}", "environment"),
        ("metadata: {}", "name"),
        ("metadata: {name: f}\nspec: {code: {path: f.py, handler: main}}", "$.spec.code.module: is missing"),
        ("- 1", "mapping"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(text, said, cli, tmp_path):
    (tmp_path / "bad.yaml").write_text(text)
    done = cli("function", "import", "bad.yaml")
    assert done.code == 2
    assert "bad.yaml" in done.err
    assert len(done.err.splitlines()) <= 15


def test_delete_takes_one_version_or_all(cli, versions):
    assert cli("function", "delete", f"train@{versions[0]}", "--yes").code == 0
    assert len(json.loads(cli("function", "history", "train", "--json").out)) == 1
    assert cli("function", "delete", "train", "-y").code == 0
    assert cli("function", "history", "train").code == 2
    assert cli("function", "delete", "train", "-y").code == 2


@pytest.mark.parametrize("name", ["nothing", "train:none", "train@sha256:ffff", "db://x"])
def test_what_is_not_there_is_said(name, cli, versions):
    done = cli("function", "show", name)
    assert done.code == 2
    assert done.err.startswith("Error: ")


def test_a_secret_that_is_no_reference_is_neither_kept_nor_repeated(cli, home, tmp_path):
    text = "kind: local\nmetadata: {name: f}\nspec: {environment: {secrets: {TOKEN: hunter2-hunter2}}}\n"
    (tmp_path / "f.yaml").write_text(text)
    done = cli("function", "import", "f.yaml")
    assert done.code == 2
    assert "spec.environment.secrets.TOKEN is no reference to a secret" in done.err
    assert "hunter2" not in done.out + done.err
    assert not any(b"hunter2" in path.read_bytes() for path in home.rglob("*") if path.is_file())
