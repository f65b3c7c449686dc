"""Migrations: every earlier schema is brought to today's, by whoever opens it first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from framework.conditions import parse
from framework.databases import RunQuery
from framework.errors import DatabaseError
from framework.testing.database_bed import run_document, uid_of, whole_run
from framework_db_sql import schema
from framework_db_sql.database import SqlDatabase

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"), key=lambda path: int(path.stem))
NEXT = (
    "CREATE TABLE made_up (id {integer} PRIMARY KEY, note {text} NOT NULL)",
    "INSERT INTO made_up VALUES (1, 'here')",
)


def _notes(database: SqlDatabase) -> list[tuple[int, str]]:
    with database._engine.reading() as session:
        return [tuple(row) for row in session.execute("SELECT id, note FROM made_up").fetchall()]


def _version(database: SqlDatabase) -> int:
    with database._engine.reading() as session:
        return database._engine.schema_version(session)


def test_there_is_a_dump_of_every_schema() -> None:
    assert [int(path.stem) for path in SCHEMAS] == list(range(1, len(schema.MIGRATIONS) + 1))


@pytest.mark.parametrize("dump", SCHEMAS, ids=lambda path: path.stem)
def test_an_earlier_schema_is_upgraded_and_nothing_is_lost(tmp_path: Path, dump: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    connection.executescript(dump.read_text("utf-8"))
    connection.close()
    database = SqlDatabase(f"sqlite://{tmp_path}/old.db")
    assert _version(database) == len(schema.MIGRATIONS)
    (run,) = database.runs(RunQuery(conditions=parse("results.accuracy > 0.5 and params.depth = 3")))
    uid = uid_of(run)
    assert run["status"]["state"] == "completed"
    assert [chunk.data for chunk in database.log(uid)] == [b"one\n", b"two\n"]
    assert database.metric(uid, "loss") == [(0, 0.5, 10.0), (1, 0.25, 11.0)]
    assert database.artifact("default", "model")["spec"]["run"] == uid
    assert database.function("default", "train")["status"]["tags"] == ["good", "latest"]
    assert database.project("vision")["spec"] == {"defaults": {"x": 1}}
    assert database.apply(uid, whole_run(run)) == run  # it knows which events it has had
    database.close()


def test_the_next_migration_is_applied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite://{tmp_path}/runs.db"
    old = SqlDatabase(url)
    run = run_document()
    old.create_run(run)
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, NEXT])
    for _ in range(2):
        database = SqlDatabase(url)
        assert _notes(database) == [(1, "here")]
        assert database.run(uid_of(run)) == run
        database.close()
    old.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite://{tmp_path}/runs.db"
    SqlDatabase(url).close()
    before = len(schema.MIGRATIONS)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, (*NEXT, "CREATE NONSENSE")])
        with pytest.raises(DatabaseError, match="NONSENSE"):
            SqlDatabase(url)
    database = SqlDatabase(url)
    assert _version(database) == before
    with pytest.raises(DatabaseError, match="made_up"):
        _notes(database)
    database.close()


def test_many_who_open_a_new_file_at_once_make_one_database(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(SqlDatabase, [f"sqlite://{tmp_path}/deep/runs.db"] * 8))
    assert {_version(database) for database in opened} == {len(schema.MIGRATIONS)}
    for database in opened:
        database.close()


def test_a_database_that_is_newer_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite://{tmp_path}/runs.db"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, NEXT])
        SqlDatabase(url).close()
    with pytest.raises(DatabaseError, match="newer") as raised:
        SqlDatabase(url)
    assert "pip install --upgrade" in raised.value.advice
    assert str(tmp_path) in raised.value.message


@pytest.mark.postgres
@pytest.mark.xdist_group("postgresql")
def test_postgresql_is_migrated_alike(postgresql_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgresql_url()
    with ThreadPoolExecutor(4) as pool:
        for database in pool.map(SqlDatabase, [url] * 4):
            database.close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, NEXT])
        database = SqlDatabase(url)
        assert _notes(database) == [(1, "here")]
        database.close()
    with pytest.raises(DatabaseError, match="newer"):
        SqlDatabase(url)
