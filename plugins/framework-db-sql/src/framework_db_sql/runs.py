"""Runs and what belongs to them: documents, events, logs, metrics."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from framework.databases import ActiveRun, Document, LogChunk, RunQuery
from framework.engine.apply import Ledger, Merged, merge
from framework.errors import Ambiguous, NotFound
from framework.models.causes import ENDED
from framework.runtimes import Cursor, Handle
from framework_db_sql import queries
from framework_db_sql.engine import Engine
from framework_db_sql.facts import BATCH, index_some
from framework_run.events import Event

_CHUNK = 65_536  # bytes of a row of the log
_INSERT = (
    "insert into runs (uid, project, name, state, parent, created, active, doc, ledger, handle) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class RunTable:
    """The runs of a database.

    Args:
        engine: Where the tables are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._fresh: dict[str, tuple[int, Document]] = {}  # runs that this process has just inserted
        self._written = 0

    def create(self, run: Document, handle: Handle | None) -> None:
        """Insert a run; one that is there is left as it is."""
        with self._engine.transaction() as cursor:
            row = self._engine.insert(cursor, _INSERT, _columns(run, {}, handle))
        if row is not None:
            self._fresh[run["metadata"]["uid"]] = (row, run)

    def set_handle(self, uid: str, handle: Handle) -> None:
        """Keep a run's handle."""
        with self._engine.transaction() as cursor:
            cursor.execute(self._engine.sql("update runs set handle = ? where uid = ?"), (_json(handle), uid))

    def apply(self, uid: str, events: Sequence[Event], place: Cursor | None, *, durable: bool) -> Document:
        """Apply events and keep the reader's place, in one transaction."""
        with self._engine.transaction(durable=durable) as cursor:
            row, document, ledger = self._locked(cursor, uid)
            merged = merge(document, ledger, events, lambda child: self._found(cursor, child))
            self._update(cursor, row, merged, place)
            for child in merged.children:
                self._child(cursor, child)
        self._written += 1
        if self._written >= BATCH and merged.document["status"].get("state") in ENDED:
            self._written = 0
            index_some(self._engine)
        return merged.document

    def _locked(self, cursor: Any, uid: str) -> tuple[int, Document, Ledger]:
        fresh = self._fresh.pop(uid, None)
        if fresh is not None and self._engine.is_sqlite:
            # nobody else knows this run yet; that its row is still new is all there is to ask
            cursor.execute("select 1 from runs where id = ? and ledger = '{}' and active = 1", (fresh[0],))
            if cursor.fetchone():
                return *fresh, {}
        lock = "" if self._engine.is_sqlite else " for update"
        cursor.execute(self._engine.sql(f"select id, doc, ledger from runs where uid = ?{lock}"), (uid,))
        row = cursor.fetchone()
        if row is None:
            raise NotFound(f"there is no run {uid!r}", advice="See: framework runs list")
        return row[0], json.loads(row[1]), json.loads(row[2])

    def _found(self, cursor: Any, uid: str) -> tuple[Document, Ledger] | None:
        cursor.execute(self._engine.sql("select doc, ledger from runs where uid = ?"), (uid,))
        row = cursor.fetchone()
        return (json.loads(row[0]), json.loads(row[1])) if row else None

    def _update(self, cursor: Any, row: int, merged: Merged, place: Cursor | None) -> None:
        document = merged.document
        state = document["status"].get("state", "created")
        more = ", cursor = ?" if place is not None else ""
        arguments = [state, _active(document), document["metadata"]["name"], _json(document), _json(merged.ledger)]
        cursor.execute(
            self._engine.sql(f"update runs set state = ?, active = ?, name = ?, doc = ?, ledger = ?, indexed = 0{more} where id = ?"),
            [*arguments, *([_json(place)] if place is not None else []), row],
        )
        self._beside(cursor, row, merged)

    def _child(self, cursor: Any, merged: Merged) -> None:
        arguments = _columns(merged.document, merged.ledger, None)
        row = self._engine.insert(cursor, _INSERT, arguments)
        if row is None:
            cursor.execute(self._engine.sql("select id from runs where uid = ?"), (arguments[0],))
            self._update(cursor, cursor.fetchone()[0], merged, None)
        else:
            self._beside(cursor, row, merged)

    def _beside(self, cursor: Any, row: int, merged: Merged) -> None:
        """Log, points and artifacts."""
        sql = self._engine.sql
        if merged.log:
            insert = sql("insert into log (run, attempt, rank, stream, time, data) values (?, ?, ?, ?, ?, ?)")
            cursor.executemany(insert, [(row, *line) for line in _coalesced(merged.log)])
        for (attempt, key), columns in _columns_of(merged.points).items():
            insert = sql("insert into points (run, attempt, key, data) values (?, ?, ?, ?)")
            cursor.execute(insert, (row, attempt, key, columns))
        for artifact in merged.artifacts:
            spec, metadata = artifact["spec"], artifact["metadata"]
            insert = "insert into artifacts (project, key, run, digest, created, doc) values (?, ?, ?, ?, ?, ?)"
            self._engine.insert(
                cursor,
                insert,
                (metadata["project"], metadata["key"], spec["run"], spec.get("digest", ""), spec["created"], _json(artifact)),
            )

    def one(self, uid: str) -> Document:
        """The run whose uid begins so."""
        with self._engine.reading() as cursor:
            statement = self._engine.sql("select uid, doc from runs where uid >= ? and uid < ? order by uid limit 3")
            cursor.execute(statement, (uid, uid + "\x7f"))
            rows = cursor.fetchall()
        exact = [row for row in rows if row[0] == uid] or rows
        if not exact or not uid:
            raise NotFound(f"there is no run {uid!r}", advice="See: framework runs list")
        if len(exact) > 1:
            some = ", ".join(row[0] for row in exact[:2])
            raise Ambiguous(f"{uid!r} fits several runs: {some}, …", advice="Give more of it.")
        document: Document = json.loads(exact[0][1])
        return document

    def find(self, query: RunQuery) -> list[Document]:
        """The runs that fit."""
        return list(queries.find(self._engine, query))

    def count(self, query: RunQuery) -> int:
        """How many fit."""
        return queries.count(self._engine, query)

    def active(self, kind: str | None) -> list[ActiveRun]:
        """Runs without a final end."""
        with self._engine.reading() as cursor:
            cursor.execute("select uid, doc, handle, cursor from runs where active = 1 and parent = '' order by id")
            found = [_active_run(row) for row in cursor.fetchall()]
        return [run for run in found if kind is None or run.document["spec"].get("kind", "local") == kind]

    def active_one(self, uid: str) -> ActiveRun:
        """One run with handle and cursor."""
        with self._engine.reading() as cursor:
            cursor.execute(self._engine.sql("select uid, doc, handle, cursor from runs where uid = ?"), (uid,))
            row = cursor.fetchone()
        if row is None:
            raise NotFound(f"there is no run {uid!r}", advice="See: framework runs list")
        return _active_run(row)

    def delete(self, uids: Iterable[str]) -> int:
        """Delete runs and their children."""
        gone = 0
        sql = self._engine.sql
        with self._engine.transaction() as cursor:
            waiting = list(uids)
            while waiting:
                uid = waiting.pop()
                cursor.execute(sql("select id from runs where uid = ?"), (uid,))
                row = cursor.fetchone()
                if row is None:
                    continue
                cursor.execute(sql("select uid from runs where parent = ?"), (uid,))
                waiting += [child[0] for child in cursor.fetchall()]
                for table in ("numbers", "texts", "log", "points"):
                    cursor.execute(sql(f"delete from {table} where run = ?"), (row[0],))
                cursor.execute(sql("delete from artifacts where run = ?"), (uid,))
                cursor.execute(sql("delete from runs where id = ?"), (row[0],))
                gone += 1
        return gone

    def log(self, uid: str, attempt: int | None, after: int) -> Iterator[LogChunk]:
        """The output of one attempt, chunk by chunk."""
        with self._engine.reading() as cursor:
            row = self._row(cursor, uid)
            if attempt is None:
                cursor.execute(self._engine.sql("select max(attempt) from log where run = ?"), (row,))
                attempt = cursor.fetchone()[0] or 1
            statement = "select attempt, rank, stream, time, data from log where run = ? and attempt = ? order by id"
            cursor.execute(self._engine.sql(statement), (row, attempt))
            rows = cursor.fetchall()[after:]
        for attempt_, rank, stream, time, data in rows:
            yield LogChunk(attempt=attempt_, rank=rank, stream=stream, time=time, data=bytes(data))

    def metric(self, uid: str, key: str, attempt: int | None) -> list[tuple[int, float, float]]:
        """The points of a metric."""
        with self._engine.reading() as cursor:
            row = self._row(cursor, uid)
            cursor.execute(
                self._engine.sql("select attempt, data from points where run = ? and key = ? order by id"), (row, key)
            )
            rows = cursor.fetchall()
        if attempt is None:
            attempt = max((row[0] for row in rows), default=1)
        points = [point for number, data in rows if number == attempt for point in _points_of(bytes(data))]
        return sorted(points, key=lambda point: (point[0], point[2]))

    def _row(self, cursor: Any, uid: str) -> int:
        cursor.execute(self._engine.sql("select id from runs where uid = ?"), (uid,))
        row = cursor.fetchone()
        if row is None:
            raise NotFound(f"there is no run {uid!r}", advice="See: framework runs list")
        return int(row[0])


def _columns(run: Document, ledger: Ledger, handle: Handle | None) -> tuple[Any, ...]:
    metadata, status = run["metadata"], run.get("status", {})
    return (
        metadata["uid"],
        metadata.get("project", "default"),
        metadata["name"],
        status.get("state", "created"),
        run.get("spec", {}).get("parent", ""),
        status.get("created") or 0.0,
        _active(run),
        _json(run),
        _json(ledger),
        None if handle is None else _json(handle),
    )


def _active(run: Document) -> int:
    status = run.get("status", {})
    return int(status.get("state", "created") not in ENDED or bool(status.get("provisional")))


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))


def _active_run(row: tuple[Any, ...]) -> ActiveRun:
    uid, document, handle, cursor = row
    return ActiveRun(
        uid=uid,
        document=json.loads(document),
        handle=json.loads(handle) if handle else None,
        cursor=json.loads(cursor) if cursor else {},
    )


def _coalesced(chunks: list[LogChunk]) -> list[tuple[int, int, str, float, bytes]]:
    """Neighbouring chunks of one stream together, up to 64 KiB a row."""
    rows: list[tuple[int, int, str, float, bytearray]] = []
    for chunk in chunks:
        last = rows[-1] if rows else None
        same = last is not None and last[:3] == (chunk.attempt, chunk.rank, chunk.stream)
        if last is not None and same and len(last[4]) + len(chunk.data) <= _CHUNK:
            last[4].extend(chunk.data)
        else:
            rows.append((chunk.attempt, chunk.rank, chunk.stream, chunk.time, bytearray(chunk.data)))
    return [(attempt, rank, stream, time, bytes(data)) for attempt, rank, stream, time, data in rows]


def _columns_of(points: Sequence[tuple[int, str, int, float, float]]) -> dict[tuple[int, str], bytes]:
    """Points as three columns of 8-byte numbers in a row of the table."""
    groups: dict[tuple[int, str], tuple[array[int], array[float], array[float]]] = {}
    for attempt, key, step, value, time in points:
        group = groups.get((attempt, key))
        if group is None:
            group = groups[attempt, key] = (array("q"), array("d"), array("d"))
        group[0].append(step)
        group[1].append(value)
        group[2].append(time)
    return {name: b"".join(column.tobytes() for column in group) for name, group in groups.items()}


def _points_of(data: bytes) -> Iterator[tuple[int, float, float]]:
    third = len(data) // 3
    steps, values, times = array("q"), array("d"), array("d")
    steps.frombytes(data[:third])
    values.frombytes(data[third : 2 * third])
    times.frombytes(data[2 * third :])
    return zip(steps, values, times)
