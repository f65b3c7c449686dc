"""The tables, as numbered migrations, and how a database gets them.

A migration that was released is never changed; the next one is added behind it. ``{words}`` are what the two engines
call differently. Facts are derived from the runs' documents: a migration that changes how `framework_db_sql.facts`
writes them has to empty ``facts`` and to put every run into ``unsettled`` as dirty.
"""

from __future__ import annotations

from typing import Final

from framework.errors import DatabaseError
from framework_db_sql.engine import Engine, Session

MIGRATIONS: Final[list[tuple[str, ...]]] = [
    (
        # id: microseconds of the creation, so that the order of the rows is the order of time
        # pending: 1 while there is no final end (in this schema 2 more while its facts are not written)
        """CREATE TABLE runs (id {integer} PRIMARY KEY, uid {text} NOT NULL, revision {integer} NOT NULL,
            pending {integer} NOT NULL, project {text} NOT NULL, name {text} NOT NULL, state {text} NOT NULL,
            kind {text} NOT NULL, cause {text}, function {text} NOT NULL, parent {text} NOT NULL,
            created {real} NOT NULL, started {real}, ended {real}, handle {text}, cursor {text},
            ledger {text} NOT NULL, doc {text} NOT NULL)""",
        "CREATE UNIQUE INDEX runs_by_uid ON runs (uid)",
        "CREATE INDEX runs_pending ON runs (pending) WHERE pending > 0",
        "CREATE INDEX runs_by_parent ON runs (parent) WHERE parent <> ''",
        """CREATE TABLE facts (key {text} NOT NULL, value {blob} NOT NULL, run {integer} NOT NULL,
            PRIMARY KEY (key, value, run)) {clustered}""",
        """CREATE INDEX facts_by_run ON facts (key, run, value)
            WHERE value >= {number_from} AND value < {number_to}""",
        """CREATE TABLE log (run {integer} NOT NULL, attempt {integer} NOT NULL, number {integer} NOT NULL,
            rank {integer} NOT NULL, stream {text} NOT NULL, time {real} NOT NULL, data {blob} NOT NULL,
            PRIMARY KEY (run, attempt, number)) {clustered}""",
        """CREATE TABLE points (run {integer} NOT NULL, attempt {integer} NOT NULL, key {text} NOT NULL,
            number {integer} NOT NULL, data {blob} NOT NULL, PRIMARY KEY (run, attempt, key, number)) {clustered}""",
        """CREATE TABLE artifacts (run {text} NOT NULL, key {text} NOT NULL, project {text} NOT NULL,
            created {real} NOT NULL, digest {text} NOT NULL, iteration {integer} NOT NULL, doc {text} NOT NULL,
            PRIMARY KEY (run, iteration, key))""",
        "CREATE INDEX artifacts_by_key ON artifacts (project, key, created)",
        """CREATE TABLE functions (project {text} NOT NULL, name {text} NOT NULL, version {text} NOT NULL,
            put {real} NOT NULL, doc {text} NOT NULL, PRIMARY KEY (project, name, version))""",
        """CREATE TABLE tags (project {text} NOT NULL, name {text} NOT NULL, tag {text} NOT NULL,
            version {text} NOT NULL, PRIMARY KEY (project, name, tag))""",
        "CREATE TABLE projects (name {text} PRIMARY KEY, doc {text} NOT NULL)",
    ),
    ("CREATE TABLE contents (digest {text} PRIMARY KEY, data {blob} NOT NULL)",),
    (
        # a row for each run that has no final end, or whose facts are not written (dirty): an end changes no index
        "CREATE TABLE unsettled (run {integer} PRIMARY KEY, dirty {integer} NOT NULL)",
        "INSERT INTO unsettled SELECT id, pending / 2 FROM runs WHERE pending > 0",
        "UPDATE runs SET pending = pending - 2 WHERE pending >= 2",
        "DROP INDEX runs_pending",
    ),
    (  # which events a row came with, so that two databases can be merged without saying anything twice
        "ALTER TABLE log ADD COLUMN marks {text}",
        "ALTER TABLE points ADD COLUMN marks {text}",
    ),
    (  # of a text that is too long for a fact, the rest is told by characters that no pattern names
        "DELETE FROM facts",
        "DELETE FROM unsettled",
        "INSERT INTO unsettled SELECT id, 1 FROM runs",
    ),
]


def migrate(engine: Engine) -> None:
    """Bring a database to the schema of this code, one transaction a migration; of many who open it, one does it.

    Raises:
        DatabaseError: It is newer than this code.
    """
    with engine.reading(snapshot=True) as session:  # another process may be migrating: all of one moment is looked at
        version = engine.schema_version(session)
    while version < len(MIGRATIONS):
        with engine.writing() as session:
            engine.lock_schema(session)
            version = engine.schema_version(session)
            if version < len(MIGRATIONS):
                _step(engine, session, version)
                version += 1
    if version > len(MIGRATIONS):
        raise DatabaseError(
            f"database {engine.shown}: its schema {version} is newer than {len(MIGRATIONS)}, the last one known here",
            advice="pip install --upgrade framework-db-sql",
        )


def _step(engine: Engine, session: Session, version: int) -> None:
    for statement in MIGRATIONS[version]:
        session.execute(statement.format_map(engine.words))
    engine.set_schema_version(session, version + 1)
