"""Versions of functions and their tags."""

from __future__ import annotations

import time
from typing import Any, Final

from framework.databases import Document
from framework.errors import Ambiguous, NotFound
from framework_db_sql.engine import Engine, Session
from framework_db_sql.jsontext import dumps, loads

LATEST: Final = "latest"
_OWN: Final = ("created", "tags")  # parts of the status that the database fills in
_TAG: Final = (
    "INSERT INTO tags (project, name, tag, version) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (project, name, tag) DO UPDATE SET version = excluded.version"
)
_PUT: Final = (
    "INSERT INTO functions (project, name, version, put, doc) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (project, name, version) DO UPDATE SET put = excluded.put, doc = excluded.doc"
)
_OF: Final = "FROM functions WHERE project = ? AND name = ?"


def put_function(engine: Engine, function: Document) -> str:
    """Keep a version and move ``latest`` to it; nothing is written where that is so already."""
    metadata, version = function["metadata"], str(function["status"]["version"])
    place = (metadata.get("project", "default"), metadata["name"])
    with engine.reading() as session:
        kept = _kept(session, place, version)
        if kept is not None and _same(kept, function) and _tagged(session, place, LATEST) == version:
            return version
    with engine.writing() as session:
        kept = _kept(session, place, version)
        status = {name: part for name, part in function["status"].items() if name not in _OWN}
        now = time.time()
        status["created"] = kept["status"]["created"] if kept else function["status"].get("created") or now
        last = session.execute(f"SELECT max(put) {_OF}", place).fetchone()[0]
        session.execute(_PUT, (*place, version, max(now, (last or 0.0) + 1e-6), dumps({**function, "status": status})))
        session.execute(_TAG, (*place, LATEST, version))
    return version


def add_function(engine: Engine, function: Document) -> str:
    """Keep a version at the place that its time of creation gives it in the history; one that is there stays as it is.

    No tag moves, but that of a new function ``latest`` begins with it.
    """
    metadata, version = function["metadata"], str(function["status"]["version"])
    place = (metadata.get("project", "default"), metadata["name"])
    with engine.writing(durable=True) as session:
        if _kept(session, place, version) is None:
            status = {name: part for name, part in function["status"].items() if name != "tags"}
            created = status.setdefault("created", time.time())
            session.execute(_PUT, (*place, version, created, dumps({**function, "status": status})))
        if _tagged(session, place, LATEST) is None:
            session.execute(_TAG, (*place, LATEST, version))
    return version


def one_function(engine: Engine, project: str, name: str, tag: str, version: str | None) -> Document:
    """One version by tag, or by hash or its unique beginning.

    Raises:
        NotFound: There is none.
        Ambiguous: The beginning fits several.
    """
    place = (project, name)
    with engine.reading(snapshot=True) as session:
        whole = _tagged(session, place, tag) if version is None else _whole(session, place, version)
        kept = None if whole is None else _kept(session, place, whole)
        if kept is None:
            raise _missing(session, place, f"{name}:{tag}" if version is None else f"{name}@{version}")
        return _with_tags(session, kept)


def all_functions(engine: Engine, project: str | None) -> list[Document]:
    """The latest version of every function."""
    where, arguments = ("", [LATEST]) if project is None else (" AND tags.project = ?", [LATEST, project])
    statement = (
        "SELECT doc FROM functions JOIN tags USING (project, name, version)"  # noqa: S608  a constant
        f" WHERE tag = ?{where} ORDER BY functions.project, functions.name"
    )
    with engine.reading(snapshot=True) as session:
        rows = session.execute(statement, arguments).fetchall()
        return [_with_tags(session, loads(doc)) for (doc,) in rows]


def history(engine: Engine, project: str, name: str) -> list[Document]:
    """Every version of a function, the one that was put last first.

    Raises:
        NotFound: There is no such function.
    """
    place = (project, name)
    with engine.reading(snapshot=True) as session:
        rows = session.execute(f"SELECT doc {_OF} ORDER BY put DESC", place).fetchall()
        if not rows:
            raise _missing(session, place, name)
        return [_with_tags(session, loads(doc)) for (doc,) in rows]


def tag_function(engine: Engine, project: str, name: str, version: str, tag: str) -> None:
    """Move a tag to a version.

    Raises:
        NotFound: There is no such version.
    """
    place = (project, name)
    with engine.writing() as session:
        whole = _whole(session, place, version)
        if whole is None:
            raise _missing(session, place, f"{name}@{version}")
        session.execute(_TAG, (*place, tag, whole))


def delete_function(engine: Engine, project: str, name: str, version: str | None) -> int:
    """Delete a function, or one version; ``latest`` moves to the one that was put last of what is left."""
    place = (project, name)
    with engine.writing() as session:
        whole = None if version is None else _whole(session, place, version)
        also, arguments = ("", place) if version is None else (" AND version = ?", (*place, whole))
        gone = int(session.execute(f"DELETE {_OF}{also}", arguments).rowcount)
        session.execute(f"DELETE FROM tags WHERE project = ? AND name = ?{also}", arguments)  # noqa: S608  a constant
        left = session.execute(f"SELECT version {_OF} ORDER BY put DESC LIMIT 1", place).fetchone()
        if left and _tagged(session, place, LATEST) is None:
            session.execute(_TAG, (*place, LATEST, left[0]))
    return gone


def _kept(session: Session, place: tuple[str, str], version: str) -> Document | None:
    row = session.execute(f"SELECT doc {_OF} AND version = ?", (*place, version)).fetchone()
    return None if row is None else loads(row[0])


def _same(kept: Document, function: Document) -> bool:
    """Whether a kept version says all that this one says."""
    return bool(_bare(kept) == loads(dumps(_bare(function))))


def _bare(function: Document) -> Document:
    status = {name: part for name, part in function["status"].items() if name not in _OWN}
    return {**function, "status": status}


def _tagged(session: Session, place: tuple[str, str], tag: str) -> str | None:
    statement = "SELECT version FROM tags WHERE project = ? AND name = ? AND tag = ?"
    row = session.execute(statement, (*place, tag)).fetchone()
    return None if row is None else str(row[0])


def _whole(session: Session, place: tuple[str, str], version: str) -> str | None:
    """The whole hash for its beginning; None where none begins so."""
    start = version if version.startswith("sha256:") else f"sha256:{version}"
    statement = f"SELECT version {_OF} AND version >= ? AND version < ? ORDER BY version LIMIT 2"
    rows = session.execute(statement, (*place, start, f"{start}\x7f")).fetchall()
    if len(rows) > 1 and rows[0][0] != start:
        raise Ambiguous(f"{version!r} fits several versions of {place[1]!r}", advice="Give more of the hash.")
    return str(rows[0][0]) if rows else None


def _with_tags(session: Session, function: Document) -> Document:
    metadata, status = function["metadata"], function["status"]
    statement = "SELECT tag FROM tags WHERE project = ? AND name = ? AND version = ? ORDER BY tag"
    place = (metadata.get("project", "default"), metadata["name"], status["version"])
    status["tags"] = [tag for (tag,) in session.execute(statement, place).fetchall()]
    return function


def _missing(session: Session, place: tuple[str, str], what: str) -> NotFound:
    import difflib

    names = session.execute("SELECT DISTINCT name FROM functions WHERE project = ?", place[:1]).fetchall()
    near: list[Any] = difflib.get_close_matches(place[1], [name for (name,) in names if name != place[1]], 1)
    advice = f"Did you mean {near[0]!r}?" if near else "See: framework function list"
    return NotFound(f"there is no function {what!r} in project {place[0]!r}", advice=advice)
