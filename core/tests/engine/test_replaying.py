"""Replays from Python, and what a stored version that runs again leaves as it is."""

from __future__ import annotations

import pytest

import framework as fw
from framework.engine.session import current


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT", "FRAMEWORK_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield
    current().database.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_is_repeated_and_what_has_changed_is_warned_of(tmp_path):
    (tmp_path / "job.py").write_text("def size(data: str) -> int:\n    return len(open(data).read())\n")
    (tmp_path / "d").write_text("123")
    first = fw.function("job.py:size").run(inputs={"data": "d"})
    again = first.replay()
    assert again.results == first.results == {"return": 3}
    assert again.document["spec"]["replays"] == first.uid
    assert again.document["spec"]["function"] == first.document["spec"]["function"]
    (tmp_path / "d").write_text("1234")
    with pytest.warns(UserWarning, match="the input 'data' has changed"):
        assert first.replay().results == {"return": 4}


def test_a_stored_version_that_runs_again_does_not_become_the_latest(tmp_path):
    session = current()
    from framework.engine.keeping import keep_function
    from framework.engine.plan import plan
    from framework.engine.request import RunRequest

    versions = []
    for number in (1, 2):
        (tmp_path / "job.py").write_text(f"def f() -> int:\n    return {number}\n")
        planned = plan(session, RunRequest(target="job.py:f"))
        keep_function(session, planned)
        versions.append(planned.function.status.version)
    old = f"db://default/f@{versions[0]}"
    keep_function(session, plan(session, RunRequest(target=old)))
    assert session.database.function("default", "f")["status"]["version"] == versions[1]
    limited = plan(session, RunRequest(target=old, overrides={"resources": {"limits": {"memory": "1Gi"}}}))
    keep_function(session, limited)
    assert session.database.function("default", "f")["status"]["version"] == versions[1]
    assert session.database.function("default", "f", version=limited.function.status.version)
    (tmp_path / "job.py").write_text("def f() -> int:\n    return 1\n")
    keep_function(session, plan(session, RunRequest(target="job.py:f")))  # somebody wrote it so again
    assert session.database.function("default", "f")["status"]["version"] == versions[0]


def test_options_of_a_kind_are_left_behind_on_another(tmp_path):
    from framework.engine.plan import resolved
    from framework.engine.request import RunRequest
    from framework.models import Function
    from framework.sources.paths import from_path

    session = current()
    (tmp_path / "job.py").write_text("def f() -> int:\n    return 1\n")
    function: Function = from_path("job.py:f").function
    function.kind, function.spec.options = "elsewhere", {"queue": "fast"}
    function.status.version = "sha256:" + "a" * 64
    function.spec.code.files = {}
    from framework.documents.dump import dump

    session.database.put_function(dump(function))
    stored = f"db://default/f@{function.status.version}"
    assert resolved(session, RunRequest(target=stored)).spec.options == {"queue": "fast"}
    here = resolved(session, RunRequest(target=stored, kind="local"))
    assert (here.kind, here.spec.options) == ("local", {})
