"""Care of a database: what is wrong within, and rows that belong to nothing."""

from __future__ import annotations

from typing import Final

from framework_db_sql.engine import Engine

_SHOWN: Final = 20  # lines of what the engine itself says of its damage
_STRAY: Final[tuple[tuple[str, str], ...]] = (
    ("pieces of output", "FROM log WHERE run NOT IN (SELECT id FROM runs)"),
    ("blocks of points", "FROM points WHERE run NOT IN (SELECT id FROM runs)"),
    ("facts", "FROM facts WHERE run NOT IN (SELECT id FROM runs)"),
    ("notes of unsettled runs", "FROM unsettled WHERE run NOT IN (SELECT id FROM runs)"),
    (
        "tags",
        """FROM tags WHERE NOT EXISTS (SELECT 1 FROM functions f
            WHERE f.project = tags.project AND f.name = tags.name AND f.version = tags.version)""",
    ),
)


def problems(engine: Engine) -> list[str]:
    """What is wrong, one line each."""
    with engine.reading() as session:
        found = engine.damage(session)[:_SHOWN]
        if found:
            return found  # what it says beyond that would be said of damaged tables
        for what, rows in _STRAY:
            count = session.execute(f"SELECT count(*) {rows}").fetchone()[0]
            if count:
                found.append(f"{count:,} {what} belong to nothing that is there")
    return found
