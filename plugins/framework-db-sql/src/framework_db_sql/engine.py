"""Connections and transactions: what SQLite and PostgreSQL share.

A connection belongs to one thread of one process. SQLite's rule is that none may be carried over a fork
(sqlite.org/howtocorrupt.html, 2.6), and a PostgreSQL socket that two processes write to is ruined. So idle connections
are closed before a fork, and what could not be closed is left alone in the child for good; each side connects anew when
it needs to.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from framework.errors import DatabaseError

BUSY = 60.0
"""Seconds that a writer waits for the others before it gives up."""

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_inherited: list[Any] = []  # connections of the parent process: kept, so that nothing closes them here


class Session:
    """A connection in the hands of one thread.

    Args:
        connection: The DB-API connection.
        execute: ``execute(statement, arguments) -> cursor``; statements have ``?`` for their arguments.
        executemany: ``executemany(statement, rows)``.
    """

    __slots__ = ("__weakref__", "connection", "durable", "execute", "executemany", "lock", "pid")

    def __init__(self, connection: Any, execute: Callable[..., Any], executemany: Callable[..., Any]) -> None:
        self.connection = connection
        self.execute = execute
        self.executemany = executemany
        self.durable = False  # whether a commit is on the disk when it returns
        self.lock = threading.Lock()  # held while it is in use, so that a fork in another thread leaves it open
        self.pid = os.getpid()
        _sessions.add(self)

    def close(self) -> None:
        """Close the connection, or leave it alone where it is another process's."""
        connection, self.connection = self.connection, None
        self.execute = self.executemany = _closed
        if connection is None:
            return
        if self.pid == os.getpid():
            connection.close()
        else:
            _inherited.append(connection)

    def __del__(self) -> None:
        if os is not None:  # at the interpreter's end modules are taken apart, and the connection goes with the process
            self.close()


def _closed(*_arguments: Any) -> Any:
    raise RuntimeError("the connection is closed")


def _before_fork() -> None:
    for session in list(_sessions):
        if session.lock.acquire(blocking=False):
            session.close()
            session.lock.release()


def _after_fork() -> None:
    for session in list(_sessions):
        session.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


class Transaction:
    """A context manager: gives a session, commits where the block ends well and rolls back where it does not.

    Args:
        engine: The engine it is of.
        begin: Begins it.
        end: Commits it.
    """

    __slots__ = ("_begin", "_end", "_engine", "_session")

    def __init__(self, engine: Engine, begin: Callable[[Session], None], end: Callable[[Session], None]) -> None:
        self._engine = engine
        self._begin = begin
        self._end = end

    def __enter__(self) -> Session:
        session = self._session = self._engine.checkout()
        try:
            self._begin(session)
        except BaseException as error:
            session.lock.release()
            self._engine.failed(session, error)
            raise
        return session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        try:
            if error is None:
                self._end(session)
        except BaseException as raised:
            self._undo()
            self._engine.failed(session, raised)
            raise
        else:
            if error is not None:
                self._undo()
                self._engine.failed(session, error)
        finally:
            session.lock.release()

    def _undo(self) -> None:
        """Roll back; where even that fails, the connection is of no use any more."""
        try:
            self._engine.rollback(self._session)
        except self._engine.driver_errors():
            self._session.close()


class Engine(ABC):
    """One database.

    Args:
        url: Its URL.
    """

    words: ClassVar[Mapping[str, str]]  # what the two call differently, for the schema
    lock_rows: ClassVar[str] = ""  # what a select says that is to hold its rows until the end of the transaction
    lock_runs: ClassVar[str] = ""  # likewise, of the rows of ``runs AS r`` alone

    def __init__(self, url: str) -> None:
        self.url = url
        self._local = threading.local()
        self._opened: weakref.WeakSet[Session] = weakref.WeakSet()

    def checkout(self) -> Session:
        """This thread's session, opened where it is not yet, with its lock held."""
        while True:
            session: Session | None = getattr(self._local, "session", None)
            if session is None or session.connection is None:
                session = self._local.session = self._guarded_open()
            session.lock.acquire()
            if session.connection is not None:
                return session
            session.lock.release()  # a fork in another thread was faster

    def writing(self, *, durable: bool = False) -> Transaction:
        """A short write transaction.

        Args:
            durable: Whether it has to survive the machine, not only the process.
        """
        return Transaction(self, self.begin_durably if durable else self.begin, self.commit)

    def writing_alone(self) -> Transaction:
        """A write transaction during which nobody else changes a run."""
        return Transaction(self, self.begin_alone, self.commit)

    def reading(self, *, snapshot: bool = False) -> Transaction:
        """A session to read with.

        Args:
            snapshot: Whether several statements have to see one state.
        """
        return (
            Transaction(self, self.begin_snapshot, self.commit) if snapshot else Transaction(self, _nothing, _nothing)
        )

    def close(self) -> None:
        """Close every connection that is not in use just now."""
        for session in list(self._opened):
            if session.lock.acquire(timeout=1.0):
                session.close()
                session.lock.release()

    def failed(self, session: Session, error: BaseException) -> None:
        """Raise what the driver raised as `DatabaseError`; any other error is left to the caller."""
        if isinstance(error, UnicodeEncodeError):  # stray bytes of a command line, which Python carries as surrogates
            raise DatabaseError(
                f"database {self.shown}: {error.object!r} is no text in Unicode", advice="Write it in UTF-8."
            ) from error
        if isinstance(error, self.driver_errors()):
            if self.is_broken(session):
                session.close()
            raise self.explained(error) from error

    def explained(self, error: BaseException) -> DatabaseError:
        """The driver's error in words, with advice."""
        message, advice = self.explain(" ".join(str(error).split()) or type(error).__name__)
        return DatabaseError(f"database {self.shown}: {message}", advice=advice)

    def _guarded_open(self) -> Session:
        try:
            session = self.open()
        except self.driver_errors() as error:
            raise self.explained(error) from error
        self._opened.add(session)
        return session

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without a password."""
        return self.url

    # What each of the two does in its own way

    @staticmethod
    @abstractmethod
    def driver_errors() -> tuple[type[BaseException], ...]:
        """What the driver raises."""

    @abstractmethod
    def explain(self, text: str) -> tuple[str, str]:
        """A driver's message as a message for people, and advice."""

    @abstractmethod
    def open(self) -> Session:
        """A new connection."""

    @abstractmethod
    def is_broken(self, session: Session) -> bool:
        """Whether a connection is of no more use."""

    @abstractmethod
    def begin(self, session: Session) -> None:
        """Begin to write."""

    @abstractmethod
    def begin_durably(self, session: Session) -> None:
        """Begin to write what has to be on the disk when it is committed."""

    @abstractmethod
    def begin_alone(self, session: Session) -> None:
        """Begin to write while nobody else changes a run."""

    @abstractmethod
    def begin_snapshot(self, session: Session) -> None:
        """Begin to read one state."""

    @abstractmethod
    def rollback(self, session: Session) -> None:
        """End a transaction, where there is one, and take back what it did."""

    @abstractmethod
    def lock_schema(self, session: Session) -> None:
        """Make the others who want to migrate wait for the end of this transaction."""

    @abstractmethod
    def schema_version(self, session: Session) -> int:
        """The number of the last migration; 0 where there is none yet.

        Raises:
            DatabaseError: It is another program's database.
        """

    @abstractmethod
    def set_schema_version(self, session: Session, version: int) -> None:
        """Note the last migration, in its own transaction."""

    @abstractmethod
    def damage(self, session: Session) -> list[str]:
        """What the engine itself finds wrong with its files; one line each."""

    @abstractmethod
    def vacuum(self) -> None:
        """Give back the room of what was deleted."""

    @abstractmethod
    def size(self) -> int:
        """How much room it takes, in bytes."""

    @abstractmethod
    def backup(self, target: Path) -> None:
        """Write a copy to a file that does not exist yet.

        Raises:
            CapabilityMissing: It is copied by other means.
        """

    def commit(self, session: Session) -> None:
        """End a transaction."""
        session.execute("COMMIT")


def _nothing(_session: Session) -> None:
    """Outside of a transaction each statement sees the state of its own moment."""
