"""Whole runs, as a merge carries them from one database to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from framework.databases import RunRecord
from framework.engine.apply import Merged
from framework.engine.reconcile import reconciled, stamp
from framework_db_sql.artifacts import keep_artifacts
from framework_db_sql.columns import inserted
from framework_db_sql.engine import Engine, Session
from framework_db_sql.jsontext import dumps, loads
from framework_db_sql.logs import dump_log, keep_log
from framework_db_sql.lookup import missing
from framework_db_sql.points import dump_points, keep_points
from framework_db_sql.runs import change, insert, known_of

_AT_ONCE: Final = 500  # rows that are read in one go
_STAMPED: Final = "SELECT id, uid, doc, ledger FROM runs WHERE id > ?{} ORDER BY id LIMIT ?"
_DUMP: Final = "SELECT id, doc, ledger, handle, cursor FROM runs WHERE uid = ?"
_ROW: Final = "SELECT id, revision, pending, doc, ledger FROM runs WHERE uid = ?"
_REACH: Final = "UPDATE runs SET handle = ?, cursor = ? WHERE id = ?"


def run_stamps(engine: Engine, project: str | None) -> Iterator[tuple[str, str]]:
    """The uid and the stamp of every run; no transaction is open between two of them."""
    statement = _STAMPED.format("" if project is None else " AND project = ?")
    some = () if project is None else (project,)
    last = -(2**63)
    while True:
        with engine.reading() as session:
            rows = session.execute(statement, (last, *some, _AT_ONCE)).fetchall()
        for _, uid, doc, ledger in rows:
            yield uid, stamp(loads(doc), loads(ledger))
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1][0]


def dump_run(engine: Engine, uid: str) -> RunRecord:
    """All of a run, as of one moment.

    Raises:
        NotFound: There is no such run.
    """
    with engine.reading(snapshot=True) as session:
        found = _dumped(session, uid)
    if found is None:
        raise missing(uid)
    return found


def load_runs(engine: Engine, records: Sequence[RunRecord]) -> list[bool]:
    """Bring in runs, all or none of them; of each, whether anything was new."""
    ordered = sorted(enumerate(records), key=lambda each: each[1].uid)  # two who do this lock rows in one order
    with engine.writing(durable=True) as session:
        new = {place: _load(engine, session, record) for place, record in ordered}
    return [new[place] for place in range(len(records))]


def _load(engine: Engine, session: Session, record: RunRecord) -> bool:
    row = session.execute(_ROW + engine.lock_rows, (record.uid,)).fetchone()
    if row is None:
        number = insert(session, inserted(record.document, dumps(record.ledger), None))
        if number is not None:
            _write_beside(session, number, RunRecord(document=record.document), record)
            return True
        row = session.execute(_ROW + engine.lock_rows, (record.uid,)).fetchone()  # somebody else was faster
    known = known_of(session, row)
    ours = _dumped(session, record.uid)
    assert ours is not None  # noqa: S101  its row is locked
    both = reconciled(ours, record)
    if both is None:
        return False
    change(session, known, Merged(both.document, both.ledger), None)
    _write_beside(session, known.id, ours, both)
    return True


def _dumped(session: Session, uid: str) -> RunRecord | None:
    row = session.execute(_DUMP, (uid,)).fetchone()
    if row is None:
        return None
    number, doc, ledger, handle, cursor = row
    artifacts = session.execute("SELECT doc FROM artifacts WHERE run = ? ORDER BY iteration, key", (uid,)).fetchall()
    return RunRecord(
        document=loads(doc),
        ledger=loads(ledger),
        handle=loads(handle) if handle else None,
        cursor=loads(cursor) if cursor else {},
        log=dump_log(session, number),
        metrics=dump_points(session, number),
        artifacts=[loads(artifact) for (artifact,) in artifacts],
    )


def _write_beside(session: Session, number: int, before: RunRecord, after: RunRecord) -> None:
    """Write what is not in the run's row, where it has changed."""
    parts: tuple[tuple[str, Any, Any, Any], ...] = (
        ("log", before.log, after.log, keep_log),
        ("points", before.metrics, after.metrics, keep_points),
    )
    for table, old, new, keep in parts:
        if new != old:
            session.execute(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608  one of two names
            keep(session, number, new)
    if after.artifacts != before.artifacts:
        keep_artifacts(session, after.artifacts)
    if (after.handle, after.cursor) != (before.handle, before.cursor):
        session.execute(_REACH, (None if after.handle is None else dumps(after.handle), dumps(after.cursor), number))
