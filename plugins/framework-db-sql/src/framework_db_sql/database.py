"""The database: one class for SQLite and PostgreSQL, over one module a subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from framework.databases import ActiveRun, Database, Document, LogChunk, RunQuery, RunRecord
from framework.errors import DatabaseError
from framework.runtimes import Cursor, Handle
from framework_db_sql import artifacts, contents, functions, projects
from framework_db_sql.engine import Engine
from framework_db_sql.logs import read_log
from framework_db_sql.points import read_points
from framework_db_sql.runs import Runs
from framework_db_sql.schema import migrate
from framework_run.events import Event


class SqlDatabase(Database):
    """Functions, runs, projects, artifacts and events in SQLite or PostgreSQL.

    Args:
        url: ``sqlite:///path``, made where it is missing, or ``postgresql://user@host/name``.

    Raises:
        DatabaseError: It cannot be opened, is another program's, or is newer than this code.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._engine = _engine(url)
        try:
            migrate(self._engine)
        except BaseException:
            self._engine.close()
            raise
        self._runs = Runs(self._engine)

    def close(self) -> None:
        """Close the connections of all threads; one that goes on opens its own again."""
        self._engine.close()

    def create_run(self, run: Document, *, handle: Handle | None = None) -> None:
        """Insert a run's document."""
        self._runs.create(run, handle)

    def create_runs(self, runs: Sequence[Document]) -> None:
        """Insert many runs' documents."""
        self._runs.create_all(runs)

    def set_handle(self, uid: str, handle: Handle) -> None:
        """Keep what `Runtime.submit` returned."""
        self._runs.set_handle(uid, handle)

    def apply(
        self, uid: str, events: Sequence[Event], *, cursor: Cursor | None = None, durable: bool = False
    ) -> Document:
        """Apply events by the merge rule."""
        return self._runs.apply(uid, events, cursor, durable=durable)

    def apply_all(self, batches: Mapping[str, Sequence[Event]]) -> dict[str, Document]:
        """Apply events to many runs."""
        return self._runs.apply_all(batches)

    def run(self, uid: str) -> Document:
        """The run whose uid is, or begins with, ``uid``."""
        return self._runs.one(uid)

    def runs(self, query: RunQuery) -> list[Document]:
        """The runs that fit."""
        from framework_db_sql.queries import find

        return find(self._engine, query)

    def count_runs(self, query: RunQuery) -> int:
        """How many there are that fit."""
        from framework_db_sql.queries import count

        return count(self._engine, query)

    def active_runs(self, kind: str | None = None) -> list[ActiveRun]:
        """Runs without a final end."""
        return self._runs.active(kind)

    def active_run(self, uid: str) -> ActiveRun:
        """One run with its handle and cursor."""
        return self._runs.active_one(uid)

    def handles(self, kind: str) -> list[Handle]:
        """The handles of all runs of a kind."""
        return self._runs.handles(kind)

    def delete_runs(self, uids: Iterable[str]) -> int:
        """Delete runs with all that is theirs, and their children."""
        return self._runs.delete(uids)

    def log(self, uid: str, *, attempt: int | None = None, after: int = 0) -> Iterator[LogChunk]:
        """The output of a run."""
        return read_log(self._engine, uid, attempt, after)

    def metric(self, uid: str, key: str, *, attempt: int | None = None) -> list[tuple[int, float, float]]:
        """The points of a metric."""
        return read_points(self._engine, uid, key, attempt)

    def run_stamps(self, project: str | None = None) -> Iterator[tuple[str, str]]:
        """The uid and the stamp of every run."""
        from framework_db_sql import records

        return records.run_stamps(self._engine, project)

    def dump_run(self, uid: str) -> RunRecord:
        """All that is kept of a run."""
        from framework_db_sql import records

        return records.dump_run(self._engine, uid)

    def load_runs(self, runs: Sequence[RunRecord]) -> list[bool]:
        """Bring in runs of another database."""
        from framework_db_sql import records

        return records.load_runs(self._engine, runs)

    def put_function(self, function: Document, *, latest: bool = True) -> str:
        """Keep a version, and move ``latest`` to it."""
        put = functions.put_function if latest else functions.add_function
        return put(self._engine, function)

    def function(self, project: str, name: str, *, tag: str = "latest", version: str | None = None) -> Document:
        """One version by tag or hash."""
        return functions.one_function(self._engine, project, name, tag, version)

    def functions(self, project: str | None = None) -> list[Document]:
        """The latest version of every function."""
        return functions.all_functions(self._engine, project)

    def function_history(self, project: str, name: str) -> list[Document]:
        """Every version of a function, the latest first."""
        return functions.history(self._engine, project, name)

    def tag_function(self, project: str, name: str, version: str, tag: str) -> None:
        """Move a tag to a version."""
        functions.tag_function(self._engine, project, name, version, tag)

    def delete_function(self, project: str, name: str, *, version: str | None = None) -> int:
        """Delete a function, or one version."""
        return functions.delete_function(self._engine, project, name, version)

    def artifacts(
        self, *, project: str | None = None, run: str | None = None, key: str | None = None, limit: int | None = 100
    ) -> list[Document]:
        """Artifacts, the newest first."""
        return artifacts.find_artifacts(self._engine, project, run, key, limit)

    def artifact(self, project: str, key: str, *, tag: str = "latest", digest: str | None = None) -> Document:
        """One artifact."""
        return artifacts.one_artifact(self._engine, project, key, tag, digest)

    def put_project(self, project: Document) -> None:
        """Create or replace a project."""
        projects.put_project(self._engine, project)

    def project(self, name: str) -> Document:
        """One project."""
        return projects.one_project(self._engine, name)

    def projects(self) -> list[Document]:
        """Every project, by name."""
        return projects.all_projects(self._engine)

    def put_content(self, content: bytes) -> str:
        """Keep bytes that many runs share, once."""
        return contents.put_content(self._engine, content)

    def content(self, digest: str) -> bytes:
        """The bytes of a digest."""
        return contents.one_content(self._engine, digest)

    def contents(self) -> list[str]:
        """The digests of all that is kept."""
        return contents.all_contents(self._engine)

    def problems(self) -> list[str]:
        """What is wrong within."""
        from framework_db_sql.care import problems

        return problems(self._engine)

    def vacuum(self) -> None:
        """Give back the room of what was deleted."""
        self._engine.vacuum()

    def size(self) -> int:
        """How much room it takes, in bytes."""
        return self._engine.size()

    def backup(self, target: Path) -> None:
        """Write a copy of a SQLite database."""
        self._engine.backup(target)


def _engine(url: str) -> Engine:
    if url.startswith("sqlite:"):
        from framework_db_sql.sqlite import SqliteEngine

        return SqliteEngine(url)
    if url.startswith(("postgresql:", "postgres:")):
        from framework_db_sql.postgresql import PostgresqlEngine

        return PostgresqlEngine(url)
    raise DatabaseError(
        f"database {url}: it is neither SQLite nor PostgreSQL", advice="Write sqlite:///path or postgresql://host/name."
    )
