"""SQLite: one file, in WAL, that many processes write to."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import unquote

from framework.errors import DatabaseError
from framework_db_sql.engine import BUSY, Engine, Session
from framework_db_sql.mounts import network_file_system

APPLICATION: Final = 0x66777231
"""`PRAGMA application_id` of our files: "fwr1"."""

_ELSEWHERE: Final = "Set FRAMEWORK_DB to a database in a folder that you can write to."
_CHECKPOINT: Final = 8_000  # pages of WAL (16 MB) before they are moved into the file
_CACHE: Final = 16_000  # KiB of pages that a connection keeps
_PAGE: Final = 2_048  # bytes of a page of a new file: a run writes four, so the journal grows by half as much as usual
_EXPLAINED: Final[tuple[tuple[str, str, str], ...]] = (
    ("locked", "another process has held it for a minute", "Try again; `fuser` says who holds the file."),
    ("not a database", "the file is not a database", "Move it away, or set FRAMEWORK_DB to another."),
    ("malformed", "the file is damaged", "Move it away and restore a copy; `sqlite3 FILE .recover` may save the rest."),
    ("full", "the disk is full", "Make room on the disk; nothing was half-written."),
    ("disk I/O", "the disk does not answer as it should", "Look at the disk; nothing was half-written."),
    ("readonly", "it can be read but not written", _ELSEWHERE),
    ("unable to open", "the file cannot be opened", _ELSEWHERE),
)
_warned: set[str] = set()


class SqliteEngine(Engine):
    """A database in a file.

    Args:
        url: ``sqlite:///absolute/path``; the file is made where it is missing.
    """

    words: ClassVar[Mapping[str, str]] = {
        "blob": "BLOB",
        "integer": "INTEGER",
        "real": "REAL",
        "text": "TEXT",
        "clustered": "WITHOUT ROWID",
        "number_from": "x'32'",
        "number_to": "x'33'",
    }

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.path = path_of(url)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._network = network_file_system(self.path.parent)
        except OSError as error:
            message = f"its folder {str(self.path.parent)!r} cannot be made: {error.strerror}"
            raise DatabaseError(f"database {self.shown}: {message}", advice=_ELSEWHERE) from error

    @staticmethod
    def driver_errors() -> tuple[type[BaseException], ...]:
        """What the driver raises."""
        return (sqlite3.Error,)

    def explain(self, text: str) -> tuple[str, str]:
        """A driver's message as a message for people, and advice."""
        for sign, message, advice in _EXPLAINED:
            if sign in text:
                return f"{message} ({text})", advice
        return text, "See what `framework doctor` says."

    def open(self) -> Session:
        """A new connection."""
        connection = sqlite3.connect(
            self.path, timeout=BUSY, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE}")
            self._set_journal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        except BaseException:
            connection.close()
            raise
        return Session(connection, connection.execute, connection.executemany)

    def _set_journal(self, connection: sqlite3.Connection) -> None:
        """WAL; but not over a network, where the processes share no memory (sqlite.org/wal.html, 2)."""
        wanted = "truncate" if self._network else "wal"
        if self._network and str(self.path) not in _warned:
            import warnings

            from framework.errors import FrameworkWarning

            _warned.add(str(self.path))
            message = f"{self.path} is on a network file system ({self._network}): writers wait for each other longer"
            warnings.warn(
                f"{message}; set FRAMEWORK_DB to a local file or to PostgreSQL", FrameworkWarning, stacklevel=2
            )
        deadline = time.monotonic() + BUSY
        while connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
            try:
                connection.execute(f"PRAGMA journal_mode = {wanted}")
            except sqlite3.OperationalError as error:  # of two that change it at once, one is refused without a wait
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def is_broken(self, session: Session) -> bool:  # noqa: ARG002  a file does not hang up
        """Whether a connection is of no more use."""
        return False

    def begin(self, session: Session) -> None:
        """Begin to write: the lock is taken at once, so that no transaction has to be given up half-way."""
        if session.durable:
            session.execute("PRAGMA synchronous = NORMAL")
            session.durable = False
        session.execute("BEGIN IMMEDIATE")

    def begin_durably(self, session: Session) -> None:
        """Begin to write what has to be on the disk when it is committed."""
        if not session.durable:
            session.execute("PRAGMA synchronous = FULL")
            session.durable = True
        session.execute("BEGIN IMMEDIATE")

    def begin_alone(self, session: Session) -> None:
        """Begin to write: who writes to SQLite is alone."""
        self.begin(session)

    def begin_snapshot(self, session: Session) -> None:
        """Begin to read one state."""
        session.execute("BEGIN")

    def rollback(self, session: Session) -> None:
        """End a transaction; SQLite has done so by itself after some errors."""
        if session.connection.in_transaction:
            session.execute("ROLLBACK")

    def lock_schema(self, session: Session) -> None:
        """Who writes to SQLite has the whole file."""

    def schema_version(self, session: Session) -> int:
        """The number of the last migration."""
        version = int(session.execute("PRAGMA user_version").fetchone()[0])
        if version and self._is_ours(session):
            return version
        if version or session.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise DatabaseError(
                f"database {self.shown}: the file is another program's database",
                advice="Set FRAMEWORK_DB to another file.",
            )
        return 0

    @staticmethod
    def _is_ours(session: Session) -> bool:
        return bool(session.execute("PRAGMA application_id").fetchone()[0] == APPLICATION)

    def set_schema_version(self, session: Session, version: int) -> None:
        """Note the last migration."""
        session.execute(f"PRAGMA application_id = {APPLICATION}")
        session.execute(f"PRAGMA user_version = {version}")

    def damage(self, session: Session) -> list[str]:
        """What SQLite finds when it looks at every page."""
        found = [str(line) for (line,) in session.execute("PRAGMA integrity_check").fetchall()]
        return [] if found == ["ok"] else found

    def vacuum(self) -> None:
        """Write the file anew without what is free in it, and empty the journal."""
        with self.reading() as session:
            session.execute("VACUUM")
            session.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            session.execute("PRAGMA optimize").fetchall()

    def size(self) -> int:
        """The file and its journal."""
        journal = self.path.with_name(f"{self.path.name}-wal")
        return sum(path.stat().st_size for path in (self.path, journal) if path.exists())

    def backup(self, target: Path) -> None:
        """A copy by SQLite's own means (sqlite.org/backup.html), of the state of the moment when it begins."""
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with partial.open("xb"), self.reading(snapshot=True) as session:
                self._copy(session, partial)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.rename(target)
        except OSError as error:
            message = f"the copy {str(target)!r} cannot be written: {error.strerror or error}"
            raise DatabaseError(message, advice="Name another place.") from error
        finally:
            partial.unlink(missing_ok=True)

    @staticmethod
    def _copy(session: Session, target: Path) -> None:
        copy = sqlite3.connect(target)
        try:
            session.connection.backup(copy)
            copy.execute("PRAGMA journal_mode = delete").fetchall()  # one file, without a journal beside it
        finally:
            copy.close()


def path_of(url: str) -> Path:
    """The file of ``sqlite:///path``; three slashes or more, the path is absolute.

    Raises:
        DatabaseError: It names none.
    """
    path = "/" + unquote(url.partition("://")[2]).lstrip("/")
    if os.name == "nt":
        path = path[1:]
    if not url.startswith("sqlite:///") or path.rstrip("/") != path or path.endswith(":memory:"):
        raise DatabaseError(f"database {url}: it names no file", advice="Write sqlite:///path/of/the/file.db.")
    return Path(path)
