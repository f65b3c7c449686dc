"""The points of metrics: blocks of three columns of eight bytes a number, little-endian: steps, values, times."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from framework.databases import MetricChunk
from framework_db_sql.engine import Engine, Session
from framework_db_sql.lookup import located
from framework_db_sql.marks import packed, unpacked

_BIGGEST: Final = 2**63 - 1
_INSERT: Final = (
    "INSERT INTO points (run, attempt, key, number, data, marks)"
    " SELECT ?, ?, ?, coalesce(max(number), 0) + 1, ?, ? FROM points WHERE run = ? AND attempt = ? AND key = ?"
)
_SELECT: Final = "SELECT data FROM points WHERE run = ? AND attempt = ? AND key = ? ORDER BY number"
_DUMP: Final = "SELECT attempt, key, data, marks FROM points WHERE run = ? ORDER BY attempt, key, number"
_COLUMNS: Final = ("steps", "values", "times")


def keep_points(session: Session, run: int, chunks: Sequence[MetricChunk]) -> None:
    """Write points, one block for each attempt and key."""
    blocks: dict[tuple[int, str, bool], list[MetricChunk]] = {}
    for chunk in chunks:
        blocks.setdefault((chunk.attempt, chunk.key, bool(chunk.marks)), []).append(chunk)
    for (attempt, key, _), block in blocks.items():
        columns = (chain.from_iterable(getattr(chunk, name) for chunk in block) for name in _COLUMNS)
        marks = packed(mark for chunk in block for mark in chunk.marks)
        where = (run, attempt, key)
        session.execute(_INSERT, (*where, _packed(*map(list, columns)), marks, *where))


def dump_points(session: Session, run: int) -> list[MetricChunk]:
    """All points of a run, of every attempt and metric, with their marks."""
    chunks = []
    for attempt, key, data, marks in session.execute(_DUMP, (run,)).fetchall():
        steps, values, times = _columns(bytes(data))
        chunk = MetricChunk(
            attempt=attempt,
            key=key,
            steps=steps.tolist(),
            values=values.tolist(),
            times=times.tolist(),
            marks=unpacked(marks),
        )
        chunks.append(chunk)
    return chunks


def read_points(engine: Engine, uid: str, key: str, attempt: int | None) -> list[tuple[int, float, float]]:
    """The points of one metric: (step, value, time), in order of step and time.

    Raises:
        NotFound: There is no such run.
    """
    with engine.reading() as session:
        run, number = located(session, uid, attempt)
        rows = session.execute(_SELECT, (run, number, key)).fetchall()
    points = [point for (data,) in rows for point in _unpacked(bytes(data))]
    points.sort(key=lambda point: (point[0], point[2]))
    return points


def _packed(steps: Sequence[int], values: Sequence[float], times: Sequence[float]) -> bytes:
    try:
        columns: list[array[Any]] = [array("q", steps), array("d", values), array("d", times)]
    except OverflowError:  # a step beyond 64 bits, or an integer that no double holds
        steps = [max(-_BIGGEST, min(_BIGGEST, step)) for step in steps]
        columns = [array("q", steps), array("d", map(_double, values)), array("d", times)]
    return b"".join(map(_bytes, columns))


def _unpacked(data: bytes) -> Iterable[tuple[int, float, float]]:
    return zip(*_columns(data), strict=True)


def _columns(data: bytes) -> list[array[Any]]:
    third = len(data) // 3
    columns: list[array[Any]] = [array("q"), array("d"), array("d")]
    for place, column in enumerate(columns):
        column.frombytes(data[place * third : (place + 1) * third])
        if sys.byteorder == "big":
            column.byteswap()
    return columns


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
