"""The output of runs: pieces of at most 64 KiB, as the bytes that were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from framework.databases import LogChunk
from framework_db_sql.engine import Engine, Session
from framework_db_sql.lookup import located

LONGEST: Final = 65_536  # bytes of a chunk
_AT_ONCE: Final = 64  # chunks that are read in one go: 4 MiB at most
_INSERT: Final = (
    "INSERT INTO log (run, attempt, number, rank, stream, time, data)"
    " SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ?, ?, ? FROM log WHERE run = ? AND attempt = ?"
)
_SELECT: Final = (
    "SELECT number, rank, stream, time, data FROM log WHERE run = ? AND attempt = ? AND number > ?"
    " ORDER BY number LIMIT ?"
)


def keep_log(session: Session, run: int, chunks: Sequence[LogChunk]) -> None:
    """Write pieces of a run's output behind what is there."""
    for chunk in chunks if len(chunks) == 1 else _joined(chunks):
        data = chunk.data
        for start in range(0, len(data) or 1, LONGEST):
            piece = data[start : start + LONGEST]
            where = (run, chunk.attempt)
            session.execute(_INSERT, (*where, chunk.rank, chunk.stream, chunk.time, piece, *where))


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
    kept, pieces, size = chunks[0], [chunks[0].data], len(chunks[0].data)
    for chunk in chunks[1:]:
        same = (chunk.attempt, chunk.rank, chunk.stream) == (kept.attempt, kept.rank, kept.stream)
        if same and size + len(chunk.data) <= LONGEST:
            pieces.append(chunk.data)
            size += len(chunk.data)
        else:
            yield _with(kept, pieces)
            kept, pieces, size = chunk, [chunk.data], len(chunk.data)
    yield _with(kept, pieces)


def _with(chunk: LogChunk, pieces: list[bytes]) -> LogChunk:
    return LogChunk(attempt=chunk.attempt, rank=chunk.rank, stream=chunk.stream, time=chunk.time, data=b"".join(pieces))
