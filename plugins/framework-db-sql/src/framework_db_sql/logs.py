"""The output of runs: pieces of at most 64 KiB, as the bytes that were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import evolve

from framework.databases import LogChunk, Mark
from framework_db_sql.engine import Engine, Session
from framework_db_sql.lookup import located
from framework_db_sql.marks import packed, unpacked

LONGEST: Final = 65_536  # bytes of a chunk
_AT_ONCE: Final = 64  # chunks that are read in one go: 4 MiB at most
_INSERT: Final = (
    "INSERT INTO log (run, attempt, number, rank, stream, time, data, marks)"
    " SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ? FROM log WHERE run = ? AND attempt = ?"
)
_SELECT: Final = (
    "SELECT number, rank, stream, time, data FROM log WHERE run = ? AND attempt = ? AND number > ?"
    " ORDER BY number LIMIT ?"
)
_DUMP: Final = "SELECT attempt, rank, stream, time, data, marks FROM log WHERE run = ? ORDER BY attempt, number"


def keep_log(session: Session, run: int, chunks: Sequence[LogChunk]) -> None:
    """Write pieces of a run's output behind what is there."""
    for chunk in chunks if len(chunks) == 1 else _joined(chunks):
        data, marks = chunk.data, chunk.marks
        for start in range(0, len(data) or 1, LONGEST):
            piece = data[start : start + LONGEST]
            where = (run, chunk.attempt)
            if len(data) > LONGEST:
                marks = _cut(chunk.marks, start, start + LONGEST)
            session.execute(_INSERT, (*where, chunk.rank, chunk.stream, chunk.time, piece, packed(marks), *where))


def _cut(marks: Sequence[Mark], start: int, end: int) -> tuple[Mark, ...]:
    """The marks of the bytes from ``start`` to ``end`` of a chunk."""
    found, place = [], 0
    for *event, size in marks:
        inside = min(place + size, end) - max(place, start)
        if inside > 0:
            found.append((event[0], event[1], event[2], inside))
        place += size
    return tuple(found)


def dump_log(session: Session, run: int) -> list[LogChunk]:
    """All output of a run, of every attempt, with its marks."""
    rows = session.execute(_DUMP, (run,)).fetchall()
    return [
        LogChunk(attempt=attempt, rank=rank, stream=stream, time=time, data=bytes(data), marks=unpacked(marks))
        for attempt, rank, stream, time, data, marks in rows
    ]


def read_log(engine: Engine, uid: str, attempt: int | None, after: int) -> Iterator[LogChunk]:
    """The output of one attempt, from the ``after``-th piece on; no transaction is open between two of them.

    Raises:
        NotFound: There is no such run.
    """
    with engine.reading() as session:
        run, number = located(session, uid, attempt)
    return _pieces(engine, run, number, after)


def _pieces(engine: Engine, run: int, attempt: int, after: int) -> Iterator[LogChunk]:
    while True:
        with engine.reading() as session:
            rows = session.execute(_SELECT, (run, attempt, after, _AT_ONCE)).fetchall()
        for _, rank, stream, time, data in rows:
            yield LogChunk(attempt=attempt, rank=rank, stream=stream, time=time, data=bytes(data))
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0]


def _joined(chunks: Sequence[LogChunk]) -> Iterator[LogChunk]:
    """Neighbours of one attempt, rank and stream together, as far as they fit into one piece."""
    together, size = [chunks[0]], len(chunks[0].data)
    for chunk in chunks[1:]:
        first = together[0]
        same = (chunk.attempt, chunk.rank, chunk.stream) == (first.attempt, first.rank, first.stream)
        if same and size + len(chunk.data) <= LONGEST and bool(chunk.marks) == bool(first.marks):
            together.append(chunk)
            size += len(chunk.data)
        else:
            yield _as_one(together)
            together, size = [chunk], len(chunk.data)
    yield _as_one(together)


def _as_one(chunks: Sequence[LogChunk]) -> LogChunk:
    data = b"".join(chunk.data for chunk in chunks)
    return evolve(chunks[0], data=data, marks=tuple(mark for chunk in chunks for mark in chunk.marks))
