"""Runs with their artifacts in S3: what travels, what it permits, and what a person sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from s3fs import S3FileSystem

from framework.engine.execute import dry_run, execute
from framework.engine.plan import RunRequest, plan
from framework.engine.session import Session
from framework.errors import StorageError
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind
from framework_run import fetching
from framework_run.errors import StorageError as RunSideStorageError
from framework_storage_fsspec.runside.posting import Store
from framework_storage_fsspec.s3 import S3Storage

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3")]

MAKE = """
import framework as fw

def main():
    with open("weights.bin", "wb") as file:
        file.write(b"weights" * 1000)
    fw.context().log_artifact("weights", "weights.bin")
"""
READ = """
def main(weights):
    return open(weights, "rb").read().count(b"weights")
"""


class Far:
    @hookimpl
    def framework_runtimes(self):
        local = "framework_runtime_local.runtime:LocalRuntime"
        return [RuntimeKind(name="far", summary="Somewhere else", runtime=local)]


@pytest.fixture
def storage(s3: Callable[[], str]) -> S3Storage:
    return S3Storage(s3())


@pytest.fixture
def fresh(s3_environment: None) -> Iterator[None]:
    """File systems are kept by s3fs for the process; here they are made for the environment as it is."""
    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def session(tmp_path: Path, storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRAMEWORK_STORAGE", storage.url)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "make.py").write_text(MAKE)
    (tmp_path / "read.py").write_text(READ)
    plugins = Plugins()
    plugins.register(Far(), "far")
    made = Session(plugins=plugins)
    yield made
    if "database" in vars(made):
        made.database.close()


def test_no_credentials_travel(storage: S3Storage) -> None:
    text = json.dumps(storage.runner())
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in text
    options = storage.runner()["options"]
    assert options["root"] == storage.url
    assert "x-amz-signature" in options["fields"]


def test_the_form_permits_contents_of_this_storage_only(storage: S3Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    options = storage.runner()["options"]
    Store(**options).put(str(tmp_path / "file"))
    with pytest.raises(RunSideStorageError, match="403"):
        Store(**{**options, "prefix": "elsewhere/"}).put(str(tmp_path / "file"))


def test_a_link_reads_one_object_and_no_other(storage: S3Storage) -> None:
    one, other = storage.put(b"one"), storage.put(b"other")
    url = storage.link(one.uri)
    with urlopen(url) as answer:
        assert answer.read() == b"one"
    with pytest.raises(HTTPError) as refused:
        urlopen(url.replace(one.uri.partition("/sha256/")[2], other.uri.partition("/sha256/")[2]))
    refused.value.close()
    assert refused.value.code == 403


def test_a_server_of_this_machine_is_not_remote(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert not S3Storage("s3://bucket").remote
    S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example:9000")
    assert S3Storage("s3://bucket/prefix").remote


@pytest.mark.parametrize("url", ["s3://", "s3:///", "s3://bucket/a?b", "s3://bucket/a#b"])
def test_a_url_that_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="names no place") as caught:
        S3Storage(url)
    assert "s3://bucket/prefix" in caught.value.advice


def test_a_server_that_refuses_the_credentials_is_said(
    s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    url = s3()
    with pytest.raises(StorageError, match=f"{url} did not take it") as caught:
        S3Storage(url).put(b"x")
    assert "permissions of the credentials" in caught.value.advice


def test_without_credentials_it_is_said_where_they_are_looked_for(
    s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch, fresh: None, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError) as caught:
        S3Storage(s3()).runner()
    assert "no credentials to sign with" in caught.value.message
    assert "AWS_ACCESS_KEY_ID" in caught.value.advice


def test_a_run_keeps_its_artifacts_in_s3_and_another_command_reads_them(storage: S3Storage, tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(MAKE)
    environment = {**os.environ, "FRAMEWORK_HOME": str(tmp_path / "home"), "FRAMEWORK_STORAGE": storage.url}
    framework = str(Path(sys.executable).parent / "framework")

    def call(*words: str) -> str:
        done = subprocess.run(
            [framework, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run = json.loads(call("run", "make.py:main", "--json"))
    assert run["status"]["artifacts"]["weights"]["uri"].startswith(f"{storage.url}/sha256/")
    call("artifacts", "get", "weights", "--output", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == b"weights" * 1000
    assert "is writable" in call("doctor")


def test_a_run_elsewhere_fetches_its_input_by_a_link(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Storage, "remote", True)
    made = execute(session, plan(session, RunRequest(target="make.py:main", kind="far")))
    assert made["status"]["state"] == "completed", made["status"]
    request = RunRequest(target="read.py:main", kind="far", inputs={"weights": "store://default/weights"})
    planned = plan(session, request)
    place = planned.submission.document["inputs"]["weights"]
    assert set(place) == {"url", "digest", "name", "uri"}
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in json.dumps(place)
    read = execute(session, planned)
    assert read["status"]["results"] == {"return": 1000}, read["status"]
    assert place["url"] not in json.dumps(read), "a link is no part of the record"


def test_a_dry_run_shows_no_signature(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Storage, "remote", True)
    execute(session, plan(session, RunRequest(target="make.py:main", kind="far")))
    request = RunRequest(target="read.py:main", kind="far", inputs={"weights": "store://default/weights"})
    planned = plan(session, request)
    document = planned.submission.document
    signatures = [
        document["artifacts"]["storage"]["options"]["fields"]["x-amz-signature"],
        document["inputs"]["weights"]["url"].partition("X-Amz-Signature=")[2].partition("&")[0],
    ]
    assert all(signatures)
    shown = json.dumps(dry_run(session, planned))
    assert [signature for signature in signatures if signature in shown] == []
    assert '"url": "http' in shown
    assert planned.submission.document == document, "what is sent is whole"


def test_an_input_that_has_changed_is_refused(
    session: Session, storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Storage, "remote", True)
    made = execute(session, plan(session, RunRequest(target="make.py:main", kind="far")))
    uri = made["status"]["artifacts"]["weights"]["uri"]
    storage.system.pipe_file(uri.partition("://")[2], b"something else")
    request = RunRequest(target="read.py:main", kind="far", inputs={"weights": "store://default/weights"})
    read = execute(session, plan(session, request))
    status = read["status"]
    assert (status["state"], status["cause"]) == ("failed", "BackendError")
    assert "the input 'weights' has changed" in status["message"]


def test_a_folder_comes_back_as_one_by_a_link(storage: S3Storage, tmp_path: Path) -> None:
    (tmp_path / "made" / "inner").mkdir(parents=True)
    (tmp_path / "made" / "inner" / "a").write_text("a")
    kept = storage.put(tmp_path / "made")
    place = {"url": storage.link(kept.uri), "digest": kept.digest, "name": "data"}
    path = fetching.fetch({"data": place}, str(tmp_path / "scratch"))["data"]["path"]
    assert (Path(path) / "inner" / "a").read_text() == "a"


def test_a_link_that_is_refused_or_leads_nowhere_is_said(tmp_path: Path, storage: S3Storage) -> None:
    kept = storage.put(b"x")
    bad = storage.link(kept.uri).replace("X-Amz-Signature=", "X-Amz-Signature=0")
    place = {"url": bad, "digest": kept.digest, "name": "x"}
    with pytest.raises(RunSideStorageError, match="the input 'data' cannot be fetched: 403") as caught:
        fetching.fetch({"data": place}, str(tmp_path))
    assert "expired" in caught.value.advice
