"""Projects. ``default`` is always there."""

from __future__ import annotations

from typing import Final

from framework.databases import Document
from framework.errors import NotFound
from framework_db_sql.engine import Engine
from framework_db_sql.jsontext import dumps, loads

DEFAULT: Final = "default"
_PUT: Final = "INSERT INTO projects (name, doc) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc"


def put_project(engine: Engine, project: Document) -> None:
    """Create or replace a project."""
    with engine.writing() as session:
        session.execute(_PUT, (project["metadata"]["name"], dumps(project)))


def one_project(engine: Engine, name: str) -> Document:
    """One project.

    Raises:
        NotFound: There is none.
    """
    with engine.reading() as session:
        row = session.execute("SELECT doc FROM projects WHERE name = ?", (name,)).fetchone()
    if row is not None:
        document: Document = loads(row[0])
        return document
    if name == DEFAULT:
        return {"metadata": {"name": DEFAULT}}
    raise NotFound(f"there is no project {name!r}", advice=f"Make it: framework project create {name}")


def all_projects(engine: Engine) -> list[Document]:
    """Every project, by name."""
    with engine.reading() as session:
        rows = session.execute("SELECT name, doc FROM projects").fetchall()
    found = {DEFAULT: {"metadata": {"name": DEFAULT}}, **{name: loads(doc) for name, doc in rows}}
    return [found[name] for name in sorted(found)]
