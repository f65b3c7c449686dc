"""A kind that shares no files with this machine: its artifacts come in events and are kept here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.engine.execute import execute
from framework.engine.plan import RunRequest, plan
from framework.engine.session import Session
from framework.plugins.hookspecs import hookimpl
from framework.plugins.manager import Plugins
from framework.plugins.registrations import RuntimeKind

CODE = """
import framework as fw

def main():
    with open("weights.bin", "wb") as file:
        file.write(bytes(range(256)) * 1000)
    fw.context().log_artifact("weights", "weights.bin")
    with fw.context().child_run("fold") as fold:
        fold.log_artifact("table", {"a": [1, 2]}, format="json")
    return 7
"""


class Far:
    """Starts runs as local ones, and does not claim that they see this machine's files."""

    @hookimpl
    def framework_runtimes(self):
        local = "framework_runtime_local.runtime:LocalRuntime"
        return [RuntimeKind(name="far", summary="Somewhere else", runtime=local, capabilities=frozenset({"detach"}))]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    plugins = Plugins()
    plugins.register(Far(), "far")
    made = Session(plugins=plugins)
    yield made
    if "database" in vars(made):
        made.database.close()


@pytest.mark.parametrize(("asked", "where"), [("", "home/artifacts"), ("made", "made")])
def test_artifacts_are_kept_here_before_the_run_knows_of_them(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, where: str
) -> None:
    (tmp_path / "job.py").write_text(CODE)
    planned = plan(session, RunRequest(target="job.py:main", kind="far", artifact_path=asked))
    assert planned.submission.document["artifacts"]["storage"]["target"] == "framework_run.inlinestore:Store"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # where it is collected from makes no difference
    run = execute(session, planned)
    assert run["status"]["state"] == "completed", run["status"]
    uri = run["status"]["artifacts"]["weights"]["uri"]
    assert uri.startswith(f"file://{tmp_path}/{where}/sha256/")
    with session.storage_of(uri).open(uri) as stream:
        assert stream.read() == bytes(range(256)) * 1000
    listed = {artifact["metadata"]["key"]: artifact["spec"] for artifact in session.database.artifacts()}
    assert set(listed) == {"weights", "table"}
    assert all("content" not in spec and spec["uri"].startswith("file://") for spec in listed.values())


def test_a_kind_that_shares_files_writes_into_the_storage_itself(session: Session, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(CODE)
    planned = plan(session, RunRequest(target="job.py:main", kind="local"))
    assert planned.submission.document["artifacts"]["storage"] == session.storage.runner()
