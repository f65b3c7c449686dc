from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from framework.cli.main import execute
from framework.databases import Database
from framework.engine.session import current
from framework_run.events import Producer
from framework_run.uid import new_uid


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT", "FRAMEWORK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "db-sql,storage-file")  # what the seeded tests need
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def cli(capsys) -> Callable[..., Done]:
    """Run a command line in this process."""

    def call(*words: str) -> Done:
        capsys.readouterr()
        code = execute(words)
        out, err = capsys.readouterr()
        assert "this is a bug" not in err
        return Done(code, out, err)

    return call


@pytest.fixture
def database(home) -> Iterator[Database]:
    opened = current().database
    yield opened
    opened.close()


@pytest.fixture
def add_run(database) -> Callable[..., str]:
    """Keep a run with the events that make it what is asked for; returns its uid."""

    def add(
        name: str = "train",
        *,
        spec: dict[str, Any] | None = None,
        labels: dict[str, str] | None = None,
        project: str = "default",
        created: float = 1_000_000.0,
        events: tuple[tuple[str, dict[str, Any]], ...] = (),
        end: dict[str, Any] | None = None,
    ) -> str:
        uid = new_uid()
        document = {
            "metadata": {"uid": uid, "name": name, "project": project, "labels": labels or {}},
            "spec": spec or {},
            "status": {"state": "created", "created": created},
        }
        database.create_run(document)
        producer = Producer({"uid": uid})
        made = [producer.event("state", {"state": "running", "host": "h", "pid": 1}, at=created + 1)]
        made += [producer.event(kind, data, at=created + 2) for kind, data in events]
        if end is not None:
            made.append(producer.event("end", {"cause": None, "message": "", "advice": "", **end}, at=created + 4))
        database.apply(uid, made)
        return uid

    return add
