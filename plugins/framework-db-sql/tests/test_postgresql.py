"""What is PostgreSQL's own: errors of the server, passwords, connections that break."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest

from framework.databases import RunQuery
from framework.errors import DatabaseError
from framework.testing.database_bed import run_document, uid_of
from framework_db_sql.database import SqlDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("postgresql")]


def test_a_server_that_is_not_there() -> None:
    pytest.importorskip("psycopg2")
    with pytest.raises(DatabaseError) as raised:
        SqlDatabase("postgresql://user:secret@127.0.0.1:1/name")
    assert "postgresql://user@127.0.0.1:1/name" in raised.value.message
    assert "secret" not in raised.value.message
    assert "server runs" in raised.value.advice


def test_a_database_that_is_not_there(postgresql_server: str) -> None:
    host = quote(postgresql_server, safe="")
    with pytest.raises(DatabaseError, match="does not exist") as raised:
        SqlDatabase(f"postgresql://tester@/nowhere?host={host}")
    assert "createdb" in raised.value.advice


def test_a_connection_that_the_server_has_ended_is_made_anew(postgresql_url: Callable[[], str]) -> None:
    url = postgresql_url()
    database, other = SqlDatabase(url), SqlDatabase(url)
    run = run_document()
    database.create_run(run)
    with database._engine.reading() as session:
        pid = session.execute("SELECT pg_backend_pid()").fetchone()[0]
    with other._engine.reading() as session:
        session.execute("SELECT pg_terminate_backend(?)", (pid,))
    with pytest.raises(DatabaseError):
        database.runs(RunQuery())
    assert database.run(uid_of(run)) == run
    database.close()
    other.close()


def test_a_statement_that_fails_leaves_no_transaction_open(postgresql_url: Callable[[], str]) -> None:
    database = SqlDatabase(postgresql_url())
    with pytest.raises(DatabaseError, match="nonsense"), database._engine.writing() as session:
        session.execute("SELECT nonsense")
    run = run_document()
    database.create_run(run)
    assert database.runs(RunQuery()) == [run]
    database.close()


def test_names_that_postgresql_refuses_are_kept_in_the_document(postgresql_url: Callable[[], str]) -> None:
    database = SqlDatabase(postgresql_url())
    run = run_document(name="a\0b\ud800", params={"x": "a\0b"})
    database.create_run(run)
    assert database.run(uid_of(run)) == run
    database.close()
