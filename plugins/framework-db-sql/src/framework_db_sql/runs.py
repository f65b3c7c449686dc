"""Runs: inserted, changed by events, found by uid, deleted. This is the hot path: prepared statements, no models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from framework.databases import ActiveRun, Document
from framework.engine.apply import Ledger, Merged, merge
from framework.errors import Ambiguous
from framework.runtimes import Cursor, Handle
from framework_db_sql.artifacts import keep_artifacts
from framework_db_sql.columns import INSERT, UPDATE, inserted, is_active
from framework_db_sql.contents import keep_content
from framework_db_sql.engine import Engine, Session
from framework_db_sql.facts import facts_of
from framework_db_sql.jsontext import dumps, loads
from framework_db_sql.logs import keep_log
from framework_db_sql.lookup import missing
from framework_db_sql.points import keep_points
from framework_db_sql.unsettled import BATCH, backlog, forget_facts, is_dirty, note, write_facts
from framework_run.events import Event

_RECENT: Final = 64  # runs whose last state a process remembers
_TOGETHER: Final = 100  # runs that are changed in one transaction, at most: other processes wait meanwhile
_SELECT: Final = "SELECT id, revision, pending, doc, ledger FROM runs WHERE uid = ?"
_FOLLOWED: Final = "SELECT uid, doc, handle, cursor FROM runs WHERE "
_BESIDE: Final = ("log", "points", "unsettled")  # tables that a run's rows go from with it


class Known(NamedTuple):
    """A run as this process has written it. The document is text, because the caller may change the one it gave."""

    id: int
    revision: int
    active: bool
    dirty: bool
    doc: str
    ledger: Ledger


class _NeedsChild(Exception):  # noqa: N818  a signal
    """The events touch a child run, which has to be read in the transaction."""


class Runs:
    """The runs of a database.

    Args:
        engine: Where they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recent: dict[str, Known] = {}
        self._ended = -1  # ended since the last look at the backlog; -1 before the first look

    def create(self, run: Document, handle: Handle | None) -> None:
        """Insert a run; one that is there is left as it is."""
        row = inserted(run, "{}", None if handle is None else dumps(handle))
        with self._engine.writing() as session:
            number = insert(session, row)
        if number is not None:
            self._remember(row[0], Known(number, 1, bool(row[1]), dirty=True, doc=row[-1], ledger={}))

    def create_all(self, runs: Sequence[Document]) -> None:
        """Insert many runs, in one transaction."""
        rows = [inserted(run, "{}", None) for run in runs]
        with self._engine.writing() as session:
            for row in rows:
                insert(session, row)

    def set_handle(self, uid: str, handle: Handle) -> None:
        """Keep a run's handle."""
        with self._engine.writing() as session:
            if session.execute("UPDATE runs SET handle = ? WHERE uid = ?", (dumps(handle), uid)).rowcount == 0:
                raise missing(uid)

    def apply(self, uid: str, events: Sequence[Event], cursor: Cursor | None, *, durable: bool) -> Document:
        """Apply events by the merge rule, in one transaction.

        Usually nobody else has changed the run since this process wrote it: then it is merged from memory before the
        transaction begins, and the revision says whether that was right.
        """
        found = self._prepared(uid, events)
        with self._engine.writing(durable=durable) as session:
            now, document = self._changed(session, uid, events, found, cursor)
        self._note(uid, now)
        return document

    def apply_all(self, batches: Mapping[str, Sequence[Event]]) -> dict[str, Document]:
        """As `apply`, many runs in one transaction: the events of a run are applied whole, or not at all."""
        documents: dict[str, Document] = {}
        uids = sorted(batches)  # two processes that change the same runs lock their rows in the same order
        for first in range(0, len(uids), _TOGETHER):
            prepared = {uid: self._prepared(uid, batches[uid]) for uid in uids[first : first + _TOGETHER]}
            with self._engine.writing() as session:
                changed = {
                    uid: self._changed(session, uid, batches[uid], found, None) for uid, found in prepared.items()
                }
            for uid, (now, document) in changed.items():
                self._note(uid, now)
                documents[uid] = document
        return documents

    def _prepared(self, uid: str, events: Sequence[Event]) -> tuple[Known, Merged] | None:
        """A run as this process remembers it, with its events; None where it has to be read in the transaction."""
        known = self._recent.pop(uid, None)
        merged = None if known is None else _merged_alone(known, events)
        return None if known is None or merged is None else (known, merged)

    def _changed(
        self,
        session: Session,
        uid: str,
        events: Sequence[Event],
        prepared: tuple[Known, Merged] | None,
        cursor: Cursor | None,
    ) -> tuple[Known, Document]:
        """Write what events come to: as it was prepared, unless somebody else has changed the run meanwhile."""
        if prepared is not None and (now := change(session, *prepared, cursor)) is not None:
            return now, prepared[1].document
        known = self._read(session, uid)
        merged = merge(loads(known.doc), known.ledger, events, lambda child: _find(session, child))
        now = change(session, known, merged, cursor)
        if now is None:
            raise AssertionError(f"the row of run {uid} changed while it was locked")
        for child in merged.children:
            _keep_child(session, child)
        return now, merged.document

    def _note(self, uid: str, now: Known) -> None:
        """Remember a run that goes on; of one that has ended, its facts are to be written in time."""
        if now.active:
            self._remember(uid, now)
        else:
            self._count_ended()

    def one(self, uid: str) -> Document:
        """The run whose uid is, or begins with, this."""
        with self._engine.reading() as session:
            rows = _beginning(session, uid)
            if len(rows) > 1 and rows[0][0] != uid:
                rows = _beginning(session, uid, " AND parent = ''") or rows
        if not uid or not rows:
            raise missing(uid)
        if len(rows) > 1 and rows[0][0] != uid:
            raise Ambiguous(f"{uid!r} fits several runs: {rows[0][0]}, {rows[1][0]}, …", advice="Give more of the uid.")
        document: Document = loads(rows[0][1])
        return document

    def active(self, kind: str | None) -> list[ActiveRun]:
        """Runs without a final end; not those that another run has opened, because they end with it."""
        also, arguments = ("", []) if kind is None else (" AND kind = ?", [kind])
        where = f"id IN (SELECT run FROM unsettled) AND pending = 1 AND parent = ''{also} ORDER BY id"  # noqa: S608
        with self._engine.reading() as session:
            rows = session.execute(_FOLLOWED + where, arguments).fetchall()
        return [_followed(row) for row in rows]

    def active_one(self, uid: str) -> ActiveRun:
        """One run with its handle and cursor."""
        with self._engine.reading() as session:
            row = session.execute(f"{_FOLLOWED}uid = ?", (uid,)).fetchone()
        if row is None:
            raise missing(uid)
        return _followed(row)

    def handles(self, kind: str) -> list[Handle]:
        """The handles of all runs of a kind, the newest first."""
        query = "SELECT handle FROM runs WHERE kind = ? AND handle IS NOT NULL ORDER BY id DESC"
        with self._engine.reading() as session:
            rows = session.execute(query, (kind,)).fetchall()
        return [loads(handle) for (handle,) in rows]

    def delete(self, uids: Iterable[str]) -> int:
        """Delete runs and the runs that they have opened; returns how many are gone."""
        gone: set[str] = set()
        waiting = list(uids)
        with self._engine.writing() as session:
            while waiting:
                uid = waiting.pop()
                row = session.execute(_SELECT + self._engine.lock_rows, (uid,)).fetchone()
                if row is None or uid in gone:
                    continue
                gone.add(uid)
                waiting += [
                    child
                    for (child,) in session.execute("SELECT uid FROM runs WHERE parent = ? AND parent <> ''", (uid,))
                ]
                number, _, _, doc, _ = row
                if not is_dirty(session, number):
                    forget_facts(session, number, facts_of(loads(doc)))
                for table in _BESIDE:
                    session.execute(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608  a constant
                session.execute("DELETE FROM runs WHERE id = ?", (number,))
        return len(gone)

    def _read(self, session: Session, uid: str) -> Known:
        """A run, locked where rows are."""
        row = session.execute(_SELECT + self._engine.lock_rows, (uid,)).fetchone()
        if row is None:
            raise missing(uid)
        return known_of(session, row)

    def _remember(self, uid: str, known: Known) -> None:
        self._recent[uid] = known
        if len(self._recent) > _RECENT:
            for oldest in list(self._recent)[:-_RECENT]:  # a copy: other threads remember and forget meanwhile
                self._recent.pop(oldest, None)

    def _count_ended(self) -> None:
        """Write facts when many runs have none; a process that ends few runs looks once what others have left."""
        self._ended += 1
        if self._ended == 0:
            with self._engine.reading() as session:
                self._ended = backlog(session)
        if self._ended >= BATCH:
            self._ended = 0
            with self._engine.writing() as session:
                write_facts(self._engine, session)


def known_of(session: Session, row: tuple[Any, ...]) -> Known:
    """A run by its row: id, revision, pending, doc, ledger."""
    number, revision, pending, doc, ledger = row
    return Known(number, revision, bool(pending), is_dirty(session, number), doc, loads(ledger))


def insert(session: Session, row: tuple[Any, ...]) -> int | None:
    """Insert a row under the first free id from its microsecond on; None where its uid is there already."""
    # Not rounded down: the nearest double may be a little less than the microsecond.
    number: int = round(row[9] * 1_000_000)
    while session.execute(INSERT, (number, *row)).rowcount == 0:
        if session.execute("SELECT 1 FROM runs WHERE uid = ?", (row[0],)).fetchone():
            return None
        taken = "SELECT max(id) FROM runs WHERE id >= ? AND id < ?"
        number = session.execute(taken, (number, number + 1_000_000)).fetchone()[0] + 1
    note(session, number, active=bool(row[1]), dirty=True)
    return number


def _merged_alone(known: Known, events: Sequence[Event]) -> Merged | None:
    """A run and its events, or None where they need another run."""
    try:
        return merge(loads(known.doc), known.ledger, events, _no_child)
    except _NeedsChild:
        return None


def _no_child(_uid: str) -> None:
    raise _NeedsChild


def _find(session: Session, uid: str) -> tuple[Document, Ledger] | None:
    row = session.execute("SELECT doc, ledger FROM runs WHERE uid = ?", (uid,)).fetchone()
    return None if row is None else (loads(row[0]), loads(row[1]))


def _beginning(session: Session, uid: str, also: str = "") -> list[tuple[str, str]]:
    """The uids and documents of two runs at most whose uids begin so."""
    query = f"SELECT uid, doc FROM runs WHERE uid >= ? AND uid < ?{also} ORDER BY uid LIMIT 2"  # noqa: S608
    found: list[tuple[str, str]] = session.execute(query, (uid, f"{uid}\x7f")).fetchall()
    return found


def change(session: Session, known: Known, merged: Merged, cursor: Cursor | None) -> Known | None:
    """Write what a merge came to; None, and nothing written, where the row is of another revision."""
    status, doc = merged.document.get("status", {}), dumps(merged.document)
    old = [] if known.dirty else list(facts_of(loads(known.doc)))
    stale = not known.dirty and old != list(facts_of(merged.document))
    active, dirty = bool(is_active(status)), known.dirty or stale
    state, cause = status.get("state") or "created", status.get("cause")
    written = (int(active), state, cause, status.get("started"), status.get("ended"), dumps(merged.ledger), doc)
    if session.execute(UPDATE, (*written, known.id, known.revision)).rowcount == 0:
        return None
    if stale:
        forget_facts(session, known.id, old)
    if not known.dirty:
        note(session, known.id, active=active, dirty=dirty)
    if cursor is not None:
        session.execute("UPDATE runs SET cursor = ? WHERE id = ?", (dumps(cursor), known.id))
    _keep_beside(session, known.id, merged)
    return Known(known.id, known.revision + 1, active, dirty, doc, merged.ledger)


def _keep_beside(session: Session, number: int, merged: Merged) -> None:
    if merged.log:
        keep_log(session, number, merged.log)
    if merged.metrics:
        keep_points(session, number, merged.metrics)
    if merged.artifacts:
        keep_artifacts(session, merged.artifacts)
    for content in merged.contents:
        keep_content(session, content)


def _keep_child(session: Session, merged: Merged) -> None:
    """Write a run that the handler has opened: new, or changed."""
    row = inserted(merged.document, dumps(merged.ledger), None)
    number = insert(session, row)
    if number is not None:
        _keep_beside(session, number, merged)
        return
    change(session, known_of(session, session.execute(_SELECT, (row[0],)).fetchone()), merged, None)


def _followed(row: tuple[Any, ...]) -> ActiveRun:
    uid, doc, handle, cursor = row
    return ActiveRun(
        uid=uid,
        document=loads(doc),
        handle=loads(handle) if handle else None,
        cursor=loads(cursor) if cursor else {},
    )
