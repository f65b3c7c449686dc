"""Connections and transactions of the two engines, through peewee."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import peewee

from framework.errors import DatabaseError
from framework_db_sql.schema import MIGRATIONS, POSTGRESQL, SQLITE

_BUSY = 60  # seconds that a writer waits for another


class Engine:
    """One database, with a connection for each thread and each process.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite:")
        self._database = self._connector()
        self._pid = os.getpid()
        self._durable = False
        self._migrate()

    def connection(self) -> Any:
        """The DB-API connection of this thread; a forked child has its own."""
        if os.getpid() != self._pid:
            self._database, self._pid = self._connector(), os.getpid()
        return self._database.connection()

    def close(self) -> None:
        """Close the connection of this thread."""
        if not self._database.is_closed():
            self._database.close()

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Any]:
        """A short write transaction; gives a cursor.

        Args:
            durable: On the disk when it is over, whatever happens to the machine.
        """
        with self.errors():
            cursor = self.connection().cursor()
            if self.is_sqlite:
                if durable != self._durable:
                    cursor.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
                    self._durable = durable
                cursor.execute("begin immediate")
            try:
                yield cursor
            except BaseException:
                cursor.connection.rollback()
                raise
            cursor.connection.commit()

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A cursor to read with."""
        with self.errors():
            cursor = self.connection().cursor()
            try:
                yield cursor
            finally:
                if not self.is_sqlite:
                    cursor.connection.rollback()  # PostgreSQL begins a transaction by itself; nothing is left open

    def sql(self, text: str) -> str:
        """A statement with ``?`` for its arguments, in the engine's own style."""
        return text if self.is_sqlite else text.replace("%", "%%").replace("?", "%s")

    def insert(self, cursor: Any, text: str, arguments: Sequence[Any]) -> int | None:
        """Insert a row where it is not there yet; returns its id, or None where it was there."""
        if self.is_sqlite:
            cursor.execute(text + " on conflict do nothing", arguments)
            return int(cursor.lastrowid) if cursor.rowcount else None
        cursor.execute(self.sql(text + " on conflict do nothing returning id"), arguments)
        row = cursor.fetchone()
        return int(row[0]) if row else None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the engine underneath raises comes out as DatabaseError."""
        try:
            yield
        except (sqlite3.Error, peewee.PeeweeException) as error:
            raise self._error(error) from error
        except Exception as error:
            if type(error).__module__.startswith("psycopg2"):
                raise self._error(error) from error
            raise

    def _error(self, error: Exception) -> DatabaseError:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        advice = "Check that it can be reached and written: framework doctor"
        if "locked" in text:
            advice = "Another process holds it for longer than a minute; try again."
        elif "not a database" in text or "malformed" in text:
            advice = "The file is damaged or no database: move it away, or set FRAMEWORK_DB to another."
        elif "full" in text:
            advice = "Make room on the disk; nothing was half-written."
        elif "readonly" in text or "unable to open" in text:
            advice = "Make its folder writable, or set FRAMEWORK_DB to another place."
        return DatabaseError(f"the database {self._shown()}: {text}", advice=advice)

    def _shown(self) -> str:
        """The URL without a password."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}" if "@" in rest else self.url

    def _connector(self) -> Any:
        if not self.is_sqlite:
            from playhouse.db_url import connect

            with self.errors():
                return connect(self.url)
        path = Path("/" + unquote(self.url.removeprefix("sqlite://")).lstrip("/"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(
                f"the folder of the database {str(path)!r} cannot be made: {error.strerror}",
                advice="Set FRAMEWORK_HOME or FRAMEWORK_DB to a place that is writable.",
            ) from error
        journal = "truncate" if _is_network(path.parent) else "wal"
        pragmas = {"journal_mode": journal, "synchronous": "normal", "cache_size": -16_000}
        return peewee.SqliteDatabase(str(path), pragmas=pragmas, timeout=_BUSY, check_same_thread=False)

    def _migrate(self) -> None:
        """Bring the schema to this code's version; the first openings of many processes wait for one of them."""
        version = self._version()
        if version == len(MIGRATIONS):
            return
        with self.transaction(durable=True) as cursor:
            if not self.is_sqlite:
                cursor.execute("select pg_advisory_xact_lock(7391)")
                cursor.execute("create table if not exists schema_version (version integer not null)")
            version = self._version(cursor)
            if version > len(MIGRATIONS):
                raise DatabaseError(
                    f"the database {self._shown()} has schema {version}, and this code knows {len(MIGRATIONS)}",
                    advice="pip install --upgrade framework-db-sql",
                )
            words = SQLITE if self.is_sqlite else POSTGRESQL
            for number in range(version, len(MIGRATIONS)):
                for statement in MIGRATIONS[number]:
                    cursor.execute(statement.format(**words))
            self._set_version(cursor, len(MIGRATIONS))

    def _version(self, cursor: Any = None) -> int:
        if cursor is None:
            with self.reading() as own:
                return self._version(own)
        if self.is_sqlite:
            cursor.execute("pragma user_version")
        else:
            cursor.execute("select to_regclass('schema_version') is not null")
            if not cursor.fetchone()[0]:
                return 0
            cursor.execute("select coalesce(max(version), 0) from schema_version")
        return int(cursor.fetchone()[0])

    def _set_version(self, cursor: Any, version: int) -> None:
        if self.is_sqlite:
            cursor.execute(f"pragma user_version = {version}")
        else:
            cursor.execute("delete from schema_version")
            cursor.execute("insert into schema_version values (%s)", (version,))


def _is_network(folder: Path) -> bool:
    """Whether a folder is on a network file system, where WAL does not work (sqlite.org/wal.html)."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    best, kind = "", ""
    for line in mounts:
        _, point, name, *_ = line.split(" ")
        if len(point) > len(best) and (str(folder) == point or str(folder).startswith(point.rstrip("/") + "/")):
            best, kind = point, name
    return kind.startswith(("nfs", "cifs", "smb", "9p", "fuse.sshfs"))
