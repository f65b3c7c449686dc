"""Artifacts: what runs have recorded, found by run, by key, by content. ``latest`` is the newest of a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from framework.databases import Document
from framework.errors import NotFound
from framework_db_sql.engine import Engine, Session
from framework_db_sql.jsontext import dumps, loads

_KEEP: Final = (
    "INSERT INTO artifacts (run, iteration, key, project, created, digest, doc) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (run, iteration, key) DO UPDATE SET created = excluded.created, digest = excluded.digest,"
    " doc = excluded.doc"
)


def keep_artifacts(session: Session, artifacts: Sequence[Document]) -> None:
    """Write artifacts; of one key of one run the last one stands."""
    for artifact in artifacts:
        metadata, spec = artifact["metadata"], artifact["spec"]
        place = (spec["run"], spec.get("iteration", 0), metadata["key"], metadata.get("project", "default"))
        session.execute(_KEEP, (*place, spec.get("created") or 0.0, spec.get("digest", ""), dumps(artifact)))


def find_artifacts(
    engine: Engine, project: str | None, run: str | None, key: str | None, limit: int | None
) -> list[Document]:
    """Artifacts, the newest first."""
    given = {"project": project, "run": run, "key": key}
    wanted = {column: value for column, value in given.items() if value is not None}
    where = f" WHERE {' AND '.join(f'{column} = ?' for column in wanted)}" if wanted else ""
    some = "" if limit is None else f" LIMIT {int(limit)}"
    # the columns are named above, the values are arguments
    statement = f"SELECT doc FROM artifacts{where} ORDER BY created DESC, run DESC, key{some}"  # noqa: S608
    with engine.reading() as session:
        return [loads(doc) for (doc,) in session.execute(statement, list(wanted.values()))]


def one_artifact(engine: Engine, project: str, key: str, tag: str, digest: str | None) -> Document:
    """One artifact: of a content, or the newest with a tag.

    Raises:
        NotFound: There is none.
    """
    simple = digest is None and tag == "latest"
    for artifact in find_artifacts(engine, project, None, key, 1 if simple else None):
        if simple or _is(artifact, tag, digest):
            return artifact
    name = f"{key}:{tag}" if digest is None else f"{key}@{digest}"
    raise NotFound(f"there is no artifact {name!r} in project {project!r}", advice="See: framework artifacts list")


def _is(artifact: dict[str, Any], tag: str, digest: str | None) -> bool:
    if digest is None:
        return tag in artifact["metadata"].get("tags", ())
    kept = str(artifact["spec"].get("digest", ""))
    return kept.startswith((digest, f"sha256:{digest}"))
