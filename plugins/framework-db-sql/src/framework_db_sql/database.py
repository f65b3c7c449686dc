"""The database: one class for SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from framework.databases import ActiveRun, Database, Document, LogChunk, RunQuery
from framework.errors import NotFound
from framework.runtimes import Cursor, Handle
from framework_db_sql.engine import Engine
from framework_db_sql.functions import FunctionTable
from framework_db_sql.runs import RunTable
from framework_run.events import Event

DEFAULT_PROJECT = "default"


class SqlDatabase(Database):
    """Functions, runs, projects, artifacts and events in SQLite or PostgreSQL.

    Args:
        url: ``sqlite:///path`` (made where it is missing) or ``postgresql://user@host/name``.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._engine = Engine(url)
        self._runs = RunTable(self._engine)
        self._functions = FunctionTable(self._engine)

    def close(self) -> None:
        """Let go of this thread's connection."""
        self._engine.close()

    def create_run(self, run: Document, *, handle: Handle | None = None) -> None:
        """Insert a run's document."""
        self._runs.create(run, handle)

    def set_handle(self, uid: str, handle: Handle) -> None:
        """Keep what submit returned."""
        self._runs.set_handle(uid, handle)

    def apply(
        self, uid: str, events: Sequence[Event], *, cursor: Cursor | None = None, durable: bool = False
    ) -> Document:
        """Apply events to a run."""
        return self._runs.apply(uid, events, cursor, durable=durable)

    def run(self, uid: str) -> Document:
        """One run by its uid or the beginning of it."""
        return self._runs.one(uid)

    def runs(self, query: RunQuery) -> list[Document]:
        """The runs that fit."""
        return self._runs.find(query)

    def count_runs(self, query: RunQuery) -> int:
        """How many fit."""
        return self._runs.count(query)

    def active_runs(self, kind: str | None = None) -> list[ActiveRun]:
        """Runs without a final end."""
        return self._runs.active(kind)

    def active_run(self, uid: str) -> ActiveRun:
        """One run with handle and cursor."""
        return self._runs.active_one(uid)

    def delete_runs(self, uids: Iterable[str]) -> int:
        """Delete runs and all that belongs to them."""
        return self._runs.delete(uids)

    def log(self, uid: str, *, attempt: int | None = None, after: int = 0) -> Iterator[LogChunk]:
        """The output of a run."""
        return self._runs.log(uid, attempt, after)

    def metric(self, uid: str, key: str, *, attempt: int | None = None) -> list[tuple[int, float, float]]:
        """The points of a metric."""
        return self._runs.metric(uid, key, attempt)

    def put_function(self, function: Document) -> str:
        """Keep a version."""
        return self._functions.put(function)

    def function(self, project: str, name: str, *, tag: str = "latest", version: str | None = None) -> Document:
        """One version."""
        return self._functions.one(project, name, tag, version)

    def functions(self, project: str | None = None) -> list[Document]:
        """The latest version of each."""
        return self._functions.every(project)

    def function_history(self, project: str, name: str) -> list[Document]:
        """Every version of one."""
        return self._functions.history(project, name)

    def tag_function(self, project: str, name: str, version: str, tag: str) -> None:
        """Move a tag."""
        self._functions.tag(project, name, version, tag)

    def delete_function(self, project: str, name: str, *, version: str | None = None) -> int:
        """Delete a function or a version."""
        return self._functions.delete(project, name, version)

    def artifacts(
        self, *, project: str | None = None, run: str | None = None, key: str | None = None, limit: int | None = 100
    ) -> list[Document]:
        """Artifacts, the newest first."""
        wanted = {"project": project, "run": run, "key": key}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " and ".join(["1 = 1", *(f"{column} = ?" for column in given)])
        bound = f" limit {int(limit)}" if limit is not None else ""
        text = f"select doc from artifacts where {where} order by created desc, id desc{bound}"
        with self._engine.reading() as cursor:
            cursor.execute(self._engine.sql(text), list(given.values()))
            return [json.loads(row[0]) for row in cursor.fetchall()]

    def artifact(self, project: str, key: str, *, tag: str = "latest", digest: str | None = None) -> Document:
        """One artifact."""
        found = self.artifacts(project=project, key=key, limit=None if digest else 1)
        if digest:
            found = [artifact for artifact in found if artifact["spec"].get("digest", "").startswith(digest)]
        if not found or (tag != "latest" and not digest):
            name = f"{key}@{digest}" if digest else f"{key}:{tag}"
            raise NotFound(f"there is no artifact {name} in the project {project!r}", advice="See: framework artifacts list")
        return found[0]

    def put_project(self, project: Document) -> None:
        """Create or replace a project."""
        text = "insert into projects (name, doc) values (?, ?) on conflict (name) do update set doc = excluded.doc"
        with self._engine.transaction() as cursor:
            cursor.execute(self._engine.sql(text), (project["metadata"]["name"], json.dumps(project)))

    def project(self, name: str) -> Document:
        """One project."""
        with self._engine.reading() as cursor:
            cursor.execute(self._engine.sql("select doc from projects where name = ?"), (name,))
            row = cursor.fetchone()
        if row is not None:
            document: Document = json.loads(row[0])
            return document
        if name == DEFAULT_PROJECT:
            return {"metadata": {"name": name}}
        raise NotFound(f"there is no project {name!r}", advice=f"Make it: framework project create {name}")

    def projects(self) -> list[Document]:
        """Every project, by name."""
        with self._engine.reading() as cursor:
            cursor.execute("select doc from projects order by name")
            found = [json.loads(row[0]) for row in cursor.fetchall()]
        if not any(project["metadata"]["name"] == DEFAULT_PROJECT for project in found):
            found.append({"metadata": {"name": DEFAULT_PROJECT}})
        return sorted(found, key=lambda project: str(project["metadata"]["name"]))
