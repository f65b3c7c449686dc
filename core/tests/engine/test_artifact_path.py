"""Where the artifacts of a run go: as asked for, else as its function says, else as its project does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.api.functions import function
from framework.cli.main import execute
from framework.engine.map_plan import plan_map
from framework.engine.plan import RunRequest, plan
from framework.engine.session import Session, current

CODE = """
def main(n: int = 1): return n
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """With the project ``vision``, whose artifacts go to a folder beside the place where it was created."""
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FRAMEWORK_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    assert execute(("project", "create", "vision", "--artifact-path", "made")) == 0
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "job.py").write_text(CODE)
    monkeypatch.chdir(tmp_path / "code")
    yield current()
    current().database.close()


def _place(session: Session, target: str = "job.py:main", **request: object) -> str:
    planned = plan(session, RunRequest(target=target, project="vision", **request))  # type: ignore[arg-type]
    place = str(planned.run["spec"].get("artifact_path", ""))
    assert planned.submission.document["artifacts"]["storage"] == session.storage_at(place).runner()
    return place


def test_a_project_s_place_is_that_of_its_runs(session: Session, tmp_path: Path) -> None:
    assert _place(session) == str(tmp_path / "made"), "it is meant from where the project was created"


def test_a_function_and_a_run_have_their_own(session: Session, tmp_path: Path) -> None:
    own = {"storage": {"artifact_path": "mine"}}
    assert _place(session, overrides=own) == str(tmp_path / "code" / "mine")
    assert _place(session, overrides=own, artifact_path="/here") == "/here"


def test_the_items_of_a_map_have_it_too(session: Session, tmp_path: Path) -> None:
    planned = plan_map(session, RunRequest(target="job.py:main", project="vision"), [{"n": 1}, {"n": 2}])
    runs = [planned.run, *(planned.items.record(index) for index in range(2))]
    assert [run["spec"]["artifact_path"] for run in runs] == [str(tmp_path / "made")] * 3


def test_a_function_that_is_called_again_and_again_keeps_to_it(session: Session, tmp_path: Path) -> None:
    def report() -> dict[str, int]:
        return {"a": 1}

    made = function(report, project="vision")
    places = {str(made.run().document["spec"]["artifact_path"]) for _ in range(2)}
    assert places == {str(tmp_path / "made")}
