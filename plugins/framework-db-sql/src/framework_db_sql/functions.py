"""Versions of functions and their tags; artifacts; projects."""

from __future__ import annotations

import json
import time
from typing import Any

from framework.databases import Document
from framework.errors import NotFound
from framework_db_sql.engine import Engine

LATEST = "latest"


class FunctionTable:
    """The functions of a database.

    Args:
        engine: Where the tables are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, function: Document) -> str:
        """Keep a version and move ``latest`` to it."""
        metadata, version = function["metadata"], str(function["status"]["version"])
        project, name = metadata.get("project", "default"), metadata["name"]
        with self._engine.reading() as cursor:
            if self._tag(cursor, project, name, LATEST) == version:
                return version  # the usual case: nothing has changed since the last run
        now = time.time()
        document = {**function, "status": {**function["status"], "created": function["status"].get("created") or now}}
        with self._engine.transaction() as cursor:
            insert = "insert into functions (project, name, version, created, doc) values (?, ?, ?, ?, ?)"
            arguments = (project, name, version, now, json.dumps(document))
            if self._engine.insert(cursor, insert, arguments) is None:
                update = "update functions set created = ? where project = ? and name = ? and version = ?"
                cursor.execute(self._engine.sql(update), (now, project, name, version))
            self._move(cursor, project, name, LATEST, version)
        return version

    def one(self, project: str, name: str, tag: str, version: str | None) -> Document:
        """One version."""
        with self._engine.reading() as cursor:
            wanted = version or self._tag(cursor, project, name, tag)
            rows = [] if wanted is None else self._versions(cursor, project, name, wanted)
            if not rows:
                text = f"{name}@{version}" if version else f"{name}:{tag}"
                raise NotFound(
                    f"there is no function {text} in the project {project!r}", advice=self._advice(cursor, project, name)
                )
            if len(rows) > 1:
                raise NotFound(f"{version!r} fits several versions of {name}", advice="Give more of it.")
            return self._document(cursor, rows[0])

    def every(self, project: str | None) -> list[Document]:
        """The latest version of each."""
        where, arguments = ("", []) if project is None else (" where tags.project = ? and tags.tag = 'latest'", [project])
        where = where or " where tags.tag = 'latest'"
        text = (
            "select functions.doc from tags join functions on functions.project = tags.project"
            f" and functions.name = tags.name and functions.version = tags.version{where} order by tags.project, tags.name"
        )
        with self._engine.reading() as cursor:
            cursor.execute(self._engine.sql(text), arguments)
            return [self._document(cursor, row[0]) for row in cursor.fetchall()]

    def history(self, project: str, name: str) -> list[Document]:
        """Every version, the latest first."""
        text = "select doc from functions where project = ? and name = ? order by created desc, id desc"
        with self._engine.reading() as cursor:
            cursor.execute(self._engine.sql(text), (project, name))
            rows = cursor.fetchall()
            if not rows:
                raise NotFound(
                    f"there is no function {name!r} in the project {project!r}", advice=self._advice(cursor, project, name)
                )
            return [self._document(cursor, row[0]) for row in rows]

    def tag(self, project: str, name: str, version: str, tag: str) -> None:
        """Move a tag."""
        whole = self.one(project, name, LATEST, version)["status"]["version"]
        with self._engine.transaction() as cursor:
            self._move(cursor, project, name, tag, whole)

    def delete(self, project: str, name: str, version: str | None) -> int:
        """Delete a function or one of its versions."""
        whole = self.one(project, name, LATEST, version)["status"]["version"] if version else None
        also, arguments = (" and version = ?", [project, name, whole]) if whole else ("", [project, name])
        sql = self._engine.sql
        with self._engine.transaction() as cursor:
            cursor.execute(sql(f"delete from functions where project = ? and name = ?{also}"), arguments)
            gone = int(cursor.rowcount)
            cursor.execute(sql(f"select tag from tags where project = ? and name = ?{also}"), arguments)
            was_latest = any(row[0] == LATEST for row in cursor.fetchall())
            cursor.execute(sql(f"delete from tags where project = ? and name = ?{also}"), arguments)
            if whole and was_latest:
                text = "select version from functions where project = ? and name = ? order by created desc, id desc limit 1"
                cursor.execute(sql(text), (project, name))
                row = cursor.fetchone()
                if row:
                    self._move(cursor, project, name, LATEST, row[0])
        return gone

    def _move(self, cursor: Any, project: str, name: str, tag: str, version: str) -> None:
        text = (
            "insert into tags (project, name, tag, version) values (?, ?, ?, ?) "
            "on conflict (project, name, tag) do update set version = excluded.version"
        )
        cursor.execute(self._engine.sql(text), (project, name, tag, version))

    def _tag(self, cursor: Any, project: str, name: str, tag: str) -> str | None:
        text = "select version from tags where project = ? and name = ? and tag = ?"
        cursor.execute(self._engine.sql(text), (project, name, tag))
        row = cursor.fetchone()
        return row[0] if row else None

    def _versions(self, cursor: Any, project: str, name: str, version: str) -> list[str]:
        text = "select doc from functions where project = ? and name = ? and version >= ? and version < ? limit 2"
        start = version if version.startswith("sha256:") else f"sha256:{version}"
        cursor.execute(self._engine.sql(text), (project, name, start, start + "\x7f"))
        return [row[0] for row in cursor.fetchall()]

    def _document(self, cursor: Any, text: str) -> Document:
        document: Document = json.loads(text)
        metadata, status = document["metadata"], document["status"]
        query = "select tag from tags where project = ? and name = ? and version = ? order by tag"
        arguments = (metadata.get("project", "default"), metadata["name"], status["version"])
        cursor.execute(self._engine.sql(query), arguments)
        status["tags"] = [row[0] for row in cursor.fetchall()]
        return document

    def _advice(self, cursor: Any, project: str, name: str) -> str:
        import difflib

        cursor.execute(self._engine.sql("select distinct name from functions where project = ?"), (project,))
        close = difflib.get_close_matches(name, [row[0] for row in cursor.fetchall()], 1)
        return f"Did you mean {close[0]!r}?" if close else "See: framework function list"
