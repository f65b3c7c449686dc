"""The table ``unsettled``: runs that have no final end, and runs whose facts are not written yet.

Facts lag behind: whoever queries writes what is missing first, as does who has ended many runs. So a run costs nothing
for them while it is written, and their index is written in large, sorted pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from framework_db_sql.engine import Engine, Session
from framework_db_sql.facts import Fact, facts_of
from framework_db_sql.jsontext import loads

BATCH: Final = 2_000
"""Runs whose facts are written in one transaction, and how many a writer lets pile up."""

_PUT: Final = "INSERT INTO unsettled (run, dirty) VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET dirty = excluded.dirty"
_DROP: Final = "DELETE FROM unsettled WHERE run = ?"
_CLEAN: Final = "UPDATE unsettled SET dirty = 0 WHERE run = ?"
# Whoever remembers an active run as dirty learns by its revision that it is so no more; nobody remembers an ended one.
_TELL: Final = "UPDATE runs SET revision = revision + 1 WHERE id = ?"
_DIRTY: Final = (
    "SELECT r.id, r.pending, r.doc FROM unsettled u JOIN runs r ON r.id = u.run"
    " WHERE u.dirty = 1 ORDER BY u.run LIMIT ?"
)
_WRITE: Final = "INSERT INTO facts (key, value, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


def note(session: Session, run: int, *, active: bool, dirty: bool) -> None:
    """Note what a run is from here on."""
    if active or dirty:
        session.execute(_PUT, (run, int(dirty)))
    else:
        session.execute(_DROP, (run,))


def is_dirty(session: Session, run: int) -> bool:
    """Whether a run's facts are not written; the row of the run has to be locked, where rows are."""
    return session.execute("SELECT 1 FROM unsettled WHERE run = ? AND dirty = 1", (run,)).fetchone() is not None


def any_dirty(session: Session) -> bool:
    """Whether there are runs whose facts are not written."""
    return session.execute("SELECT 1 FROM unsettled WHERE dirty = 1 LIMIT 1").fetchone() is not None


def backlog(session: Session) -> int:
    """How many there are, up to `BATCH`."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM unsettled WHERE dirty = 1 LIMIT ?) AS some_runs"
    return int(session.execute(counted, (BATCH,)).fetchone()[0])


def write_facts(engine: Engine, session: Session) -> int:
    """Write the facts of up to `BATCH` runs; returns of how many."""
    runs = session.execute(_DIRTY + engine.lock_runs, (BATCH,)).fetchall()
    rows = [(key, value, number) for number, _, text in runs for key, value in facts_of(loads(text))]
    rows.sort()  # pages of the index are touched once each
    session.executemany(_WRITE, rows)
    active = [(number,) for number, pending, _ in runs if pending]
    session.executemany(_DROP, [(number,) for number, pending, _ in runs if not pending])
    session.executemany(_CLEAN, active)
    session.executemany(_TELL, active)
    return len(runs)


def forget_facts(session: Session, run: int, facts: Iterable[Fact]) -> None:
    """Remove a run's facts."""
    rows = [(key, value, run) for key, value in facts]
    session.executemany("DELETE FROM facts WHERE key = ? AND value = ? AND run = ?", rows)
