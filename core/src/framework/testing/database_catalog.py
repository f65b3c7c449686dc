"""The suite of databases: functions and their tags, artifacts, projects."""

from __future__ import annotations

import pytest

from framework.databases import Database, Document
from framework.errors import Ambiguous, NotFound
from framework.testing.database_bed import DatabaseBed, Reopen, function_document, producer_of, run_document, uid_of


class CatalogSuite(DatabaseBed):
    """What is named: versions of functions, artifacts of runs, projects."""

    def test_a_function_is_given_back_as_it_came(self, database: Database, reopen: Reopen) -> None:
        function = function_document("a", labels={"team": "x"}, unknown=[1, {"deep": None}])
        version = database.put_function(function)
        assert version == function["status"]["version"]
        kept = reopen().function("default", "train")
        assert {**kept, "status": {}} == {**function, "status": {}}
        assert kept["status"]["version"] == version
        assert kept["status"]["provenance"] == {"commit": "a"}
        assert kept["status"]["tags"] == ["latest"]
        assert kept["status"]["created"] > 0

    def test_the_same_version_twice_is_one(self, database: Database) -> None:
        database.put_function(function_document("a"))
        first = database.function("default", "train")
        database.put_function(function_document("a"))
        assert database.function_history("default", "train") == [first]

    def test_what_is_said_of_a_version_may_change(self, database: Database) -> None:
        database.put_function(function_document("a"))
        first = database.function("default", "train")
        database.put_function(function_document("a", description="better said"))
        (kept,) = database.function_history("default", "train")
        assert kept["metadata"]["description"] == "better said"
        assert kept["status"]["created"] == first["status"]["created"]

    def test_latest_moves_by_itself(self, database: Database) -> None:
        for version in ("a", "b", "a"):
            database.put_function(function_document(version))
            assert database.function("default", "train")["status"]["version"][7] == version
        assert [kept["status"]["version"][7] for kept in database.function_history("default", "train")] == ["a", "b"]

    def test_tags_move(self, database: Database) -> None:
        for version in ("a", "b"):
            database.put_function(function_document(version))
        database.tag_function("default", "train", "sha256:" + "a" * 64, "good")
        assert database.function("default", "train", tag="good")["status"]["tags"] == ["good"]
        database.tag_function("default", "train", "sha256:bb", "good")
        assert database.function("default", "train", tag="good")["status"]["tags"] == ["good", "latest"]
        with pytest.raises(NotFound):
            database.tag_function("default", "train", "sha256:" + "c" * 64, "good")

    def test_a_version_by_its_hash_or_the_beginning_of_it(self, database: Database) -> None:
        for version in ("a1", "a2", "b"):
            database.put_function(function_document(version))
        whole = function_document("a1")["status"]["version"]
        for text in (whole, whole[:12], whole.removeprefix("sha256:"), "a1a"):
            assert database.function("default", "train", version=text)["status"]["version"] == whole
        with pytest.raises(Ambiguous):
            database.function("default", "train", version="sha256:a")
        with pytest.raises(NotFound):
            database.function("default", "train", version="sha256:c")

    def test_a_function_that_is_not_there(self, database: Database) -> None:
        database.put_function(function_document("a"))
        for ask in (
            lambda: database.function("default", "trian"),
            lambda: database.function("other", "train"),
            lambda: database.function("default", "train", tag="good"),
            lambda: database.function_history("default", "trian"),
        ):
            with pytest.raises(NotFound):
                ask()

    def test_functions_are_the_latest_version_of_each(self, database: Database) -> None:
        for version, name, project in (
            ("a", "train", "default"),
            ("b", "train", "default"),
            ("c", "eval", "default"),
            ("a", "train", "vision"),
        ):
            database.put_function(function_document(version, name=name, project=project))
        assert [_named(function) for function in database.functions()] == [
            ("default", "eval", "c"),
            ("default", "train", "b"),
            ("vision", "train", "a"),
        ]
        assert [_named(function) for function in database.functions("vision")] == [("vision", "train", "a")]

    def test_deleted_versions_are_gone_with_their_tags(self, database: Database) -> None:
        for version in ("a", "b", "c"):
            database.put_function(function_document(version))
        database.tag_function("default", "train", "sha256:cc", "good")
        assert database.delete_function("default", "train", version="sha256:" + "c" * 64) == 1
        assert database.function("default", "train")["status"]["version"][7] == "b"
        with pytest.raises(NotFound):
            database.function("default", "train", tag="good")
        assert database.delete_function("default", "train") == 2
        assert database.delete_function("default", "train") == 0
        assert database.functions() == []

    def test_artifacts_are_recorded_by_events(self, database: Database, reopen: Reopen) -> None:
        first, second = _run_with(database, "model", "1", 100.0), _run_with(database, "model", "2", 200.0)
        found = reopen().artifacts()
        assert [artifact["spec"]["run"] for artifact in found] == [uid_of(second), uid_of(first)]
        assert found[0]["metadata"] == {"key": "model", "project": "default"}
        assert found[0]["spec"]["digest"] == "sha256:" + "2" * 64
        assert found[0]["spec"]["metadata"] == {"rows": 3}

    def test_a_second_run_does_not_overwrite_the_artifact_of_the_first(self, database: Database) -> None:
        first, second = _run_with(database, "model", "1", 100.0), _run_with(database, "model", "2", 200.0)
        assert database.artifact("default", "model")["spec"]["run"] == uid_of(second)
        old = database.artifact("default", "model", digest="sha256:" + "1" * 64)
        assert old["spec"]["run"] == uid_of(first)
        assert database.artifact("default", "model", digest="sha256:11")["spec"] == old["spec"]

    def test_the_last_artifact_of_a_key_of_a_run_stands(self, database: Database) -> None:
        run = run_document()
        database.create_run(run)
        producer = producer_of(run)
        for digit, moment in (("1", 100.0), ("2", 101.0)):
            data = {"key": "model", "type": "model", "digest": f"sha256:{digit * 64}"}
            database.apply(uid_of(run), [producer.event("artifact", data, at=moment)])
        (kept,) = database.artifacts(run=uid_of(run))
        assert kept["spec"]["digest"] == "sha256:" + "2" * 64

    def test_artifacts_by_project_run_and_key(self, database: Database) -> None:
        one = _run_with(database, "model", "1", 100.0)
        _run_with(database, "plot", "2", 200.0)
        _run_with(database, "model", "3", 300.0, project="vision")
        assert len(database.artifacts()) == 3
        assert [artifact["metadata"]["project"] for artifact in database.artifacts(project="vision")] == ["vision"]
        assert [artifact["metadata"]["key"] for artifact in database.artifacts(run=uid_of(one))] == ["model"]
        assert len(database.artifacts(key="model")) == 2
        assert [artifact["metadata"]["key"] for artifact in database.artifacts(project="default", limit=1)] == ["plot"]
        assert len(database.artifacts(limit=None)) == 3

    def test_an_artifact_that_is_not_there(self, database: Database) -> None:
        _run_with(database, "model", "1", 100.0)
        with pytest.raises(NotFound):
            database.artifact("default", "plot")
        with pytest.raises(NotFound):
            database.artifact("other", "model")
        with pytest.raises(NotFound):
            database.artifact("default", "model", tag="good")
        with pytest.raises(NotFound):
            database.artifact("default", "model", digest="sha256:" + "2" * 64)

    def test_artifacts_outlive_their_run(self, database: Database) -> None:
        run = _run_with(database, "model", "1", 100.0)
        database.delete_runs([uid_of(run)])
        assert database.artifact("default", "model")["spec"]["run"] == uid_of(run)

    def test_projects(self, database: Database, reopen: Reopen) -> None:
        assert database.project("default")["metadata"]["name"] == "default"
        with pytest.raises(NotFound):
            database.project("vision")
        project: Document = {"metadata": {"name": "vision"}, "spec": {"defaults": {"x": 1}}, "unknown": "kept"}
        database.put_project(project)
        assert reopen().project("vision") == project
        database.put_project({**project, "spec": {}})
        assert database.project("vision")["spec"] == {}
        assert [each["metadata"]["name"] for each in database.projects()] == ["default", "vision"]

    def test_contents_are_kept_once_under_their_digest(self, database: Database, reopen: Reopen) -> None:
        contents = [b"", b"numpy==2.1.0\n", bytes(range(256)) * 4096]
        digests = [database.put_content(content) for content in contents]
        assert [database.put_content(content) for content in contents] == digests
        assert digests[0] == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        other = reopen()
        assert [other.content(digest) for digest in digests] == contents
        assert other.contents() == sorted(digests)
        with pytest.raises(NotFound):
            other.content("sha256:" + "0" * 64)

    def test_a_list_of_packages_is_kept_apart_from_the_run_that_reports_it(self, database: Database) -> None:
        run = run_document()
        database.create_run(run)
        digest = database.put_content(b"")
        data = {"packages": "sha256:…", "package_list": ["a==1"]}
        kept = database.apply(uid_of(run), [producer_of(run).event("environment", data)])
        assert kept["status"]["environment"]["run"] == {"packages": data["packages"]}
        (found,) = set(database.contents()) - {digest}
        assert database.content(found) == b"a==1\n"


def _named(function: Document) -> tuple[str, str, str]:
    metadata = function["metadata"]
    return metadata["project"], metadata["name"], function["status"]["version"][7]


def _run_with(database: Database, key: str, digit: str, created: float, project: str = "default") -> Document:
    """A run that has recorded one artifact at a moment."""
    run = run_document(project=project)
    database.create_run(run)
    data = {"key": key, "type": "model", "format": "pickle", "name": key, "size": 1, "metadata": {"rows": 3}}
    data |= {"digest": f"sha256:{digit * 64}", "uri": f"file:///{digit}"}
    database.apply(uid_of(run), [producer_of(run).event("artifact", data, at=created)])
    return run
