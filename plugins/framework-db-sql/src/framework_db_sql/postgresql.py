"""PostgreSQL, through psycopg2."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

from framework.errors import CapabilityMissing, DatabaseError
from framework_db_sql.engine import BUSY, Engine, Session

_ADVISORY: Final = 0x66777231  # a number that no other program is likely to use
_OUR_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tableowner = current_user"
_PAGE: Final = 500  # rows that go to the server at once
_EXPLAINED: Final[tuple[tuple[str, str, str], ...]] = (
    ("lock timeout", "another client has held it for a minute", "Try again; pg_stat_activity says who holds it."),
    ("No space left", "the server's disk is full", "Make room there; nothing was half-written."),
    ("read-only", "the server only lets us read", "Connect to the primary server."),
    ("permission denied", "this user may not do that", "Grant it CREATE on the schema, or use another user."),
    ("does not exist", "", "Create it first: createdb NAME, createuser NAME."),
    ("password", "", "Put the password into ~/.pgpass or PGPASSWORD."),
    ("could not", "", "Check that the server runs and that this machine may connect."),
    ("connection", "", "Check that the server runs and that this machine may connect."),
)


class PostgresqlEngine(Engine):
    """A database of a PostgreSQL server.

    Args:
        url: ``postgresql://user@host:port/name``, in the form of libpq.
    """

    words: ClassVar[Mapping[str, str]] = {
        "blob": "BYTEA",
        "integer": "BIGINT",
        "real": "DOUBLE PRECISION",
        "text": 'TEXT COLLATE "C"',
        "clustered": "",
        "number_from": r"'\x32'::bytea",
        "number_to": r"'\x33'::bytea",
    }
    lock_rows: ClassVar[str] = " FOR UPDATE"
    lock_runs: ClassVar[str] = " FOR UPDATE OF r"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        try:
            import psycopg2  # type: ignore[import-untyped]  # it has no types
        except ImportError as error:
            raise DatabaseError(
                f"database {self.shown}: psycopg2 is not installed",
                advice="pip install 'framework-db-sql[postgresql]'",
            ) from error
        self._connect: Callable[..., Any] = psycopg2.connect

    @staticmethod
    def driver_errors() -> tuple[type[BaseException], ...]:
        """What the driver raises."""
        import psycopg2

        return (psycopg2.Error,)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return re.sub(r"(://[^/@]*?):[^/@]*@", r"\1@", self.url)

    def explain(self, text: str) -> tuple[str, str]:
        """A driver's message as a message for people, and advice."""
        for sign, message, advice in _EXPLAINED:
            if sign in text:
                return f"{message} ({text})" if message else text, advice
        return text, "See what `framework doctor` says."

    def open(self) -> Session:
        """A new connection."""
        connection = self._connect(self.url, application_name="framework")
        connection.autocommit = True  # transactions are begun and ended in words
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BUSY:.0f}s'")
        return Session(connection, *_calls(connection))

    def is_broken(self, session: Session) -> bool:
        """Whether the server has gone."""
        return bool(session.connection.closed)

    def begin(self, session: Session) -> None:
        """Begin to write."""
        session.execute("BEGIN")

    def begin_durably(self, session: Session) -> None:
        """Begin to write; a commit is on the disk where the server is not told otherwise, and here it is not."""
        session.execute("BEGIN")
        session.execute("SET LOCAL synchronous_commit = on")

    def begin_alone(self, session: Session) -> None:
        """Begin to write while nobody else changes a run; they may be read."""
        session.execute("BEGIN")
        session.execute("LOCK TABLE runs IN EXCLUSIVE MODE")

    def begin_snapshot(self, session: Session) -> None:
        """Begin to read one state."""
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def rollback(self, session: Session) -> None:
        """End a transaction, where there is one; psycopg2's own rollback ends none that was begun in words."""
        if not session.connection.closed and session.connection.info.transaction_status != 0:  # 0: idle
            session.execute("ROLLBACK")

    def lock_schema(self, session: Session) -> None:
        """An advisory lock, because the tables that could be locked may not be there yet."""
        session.execute("SELECT pg_advisory_xact_lock(?)", (_ADVISORY,))

    def schema_version(self, session: Session) -> int:
        """The number of the last migration."""
        # from the catalogue itself: to_regclass may answer from a cache that is older than the lock of the schema
        known = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'framework_schema'"
        if session.execute(known).fetchone() is None:
            return 0
        return int(session.execute("SELECT max(version) FROM framework_schema").fetchone()[0])

    def set_schema_version(self, session: Session, version: int) -> None:
        """Note the last migration."""
        session.execute("CREATE TABLE IF NOT EXISTS framework_schema (version integer PRIMARY KEY)")
        session.execute("INSERT INTO framework_schema VALUES (?)", (version,))

    def damage(self, session: Session) -> list[str]:  # noqa: ARG002  a server looks after its files
        """Nothing: whoever runs the server has pg_amcheck for that."""
        return []

    def vacuum(self) -> None:
        """Our tables only, and the planner's statistics with them."""
        with self.reading() as session:
            for (table,) in session.execute(_OUR_TABLES).fetchall():
                session.execute(f'VACUUM ANALYZE "{table}"')

    def size(self) -> int:
        """Our tables with their indexes."""
        sizes = (
            f"SELECT coalesce(sum(pg_total_relation_size(quote_ident(tablename)::regclass)), 0) FROM ({_OUR_TABLES}) t"  # noqa: S608
        )
        with self.reading() as session:
            return int(session.execute(sizes).fetchone()[0])

    def backup(self, target: Path) -> NoReturn:
        """A server's database is copied by its own programs."""
        raise CapabilityMissing(
            f"database {self.shown}: PostgreSQL is not copied to {str(target)!r} by its clients",
            advice="Copy it by pg_dump, or write a portable file: framework db export FILE",
        )


def _calls(connection: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``execute`` and ``executemany`` of a session."""
    from psycopg2.extras import execute_batch  # type: ignore[import-untyped]  # it has no types

    def execute(statement: str, arguments: Any = ()) -> Any:
        cursor = connection.cursor()
        cursor.execute(_translated(statement), arguments)
        return cursor

    def executemany(statement: str, rows: Any) -> None:
        with connection.cursor() as cursor:
            execute_batch(cursor, _translated(statement), rows, page_size=_PAGE)

    return execute, executemany


@lru_cache(maxsize=256)
def _translated(statement: str) -> str:
    """A statement with ``?`` for its arguments, as psycopg2 wants it; none has a ``?`` or ``%`` of its own."""
    return statement.replace("?", "%s")
