"""The points of metrics: blocks of three columns of eight bytes a number, little-endian: steps, values, times."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

from framework.engine.apply import Point
from framework_db_sql.engine import Engine, Session
from framework_db_sql.lookup import located

_BIGGEST: Final = 2**63 - 1
_INSERT: Final = (
    "INSERT INTO points (run, attempt, key, number, data)"
    " SELECT ?, ?, ?, coalesce(max(number), 0) + 1, ? FROM points WHERE run = ? AND attempt = ? AND key = ?"
)
_SELECT: Final = "SELECT data FROM points WHERE run = ? AND attempt = ? AND key = ? ORDER BY number"


def keep_points(session: Session, run: int, points: Sequence[Point]) -> None:
    """Write points, one block for each attempt and key."""
    blocks: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        place = point[:2]
        if place in blocks:
            blocks[place].append(point)
        else:
            blocks[place] = [point]
    for (attempt, key), block in blocks.items():
        _, _, steps, values, times = zip(*block, strict=True)
        where = (run, attempt, key)
        session.execute(_INSERT, (*where, _packed(steps, values, times), *where))


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


def _packed(steps: Iterable[int], values: Iterable[float], times: Iterable[float]) -> bytes:
    try:
        columns: list[array[Any]] = [array("q", steps), array("d", values), array("d", times)]
    except OverflowError:  # a step beyond 64 bits, or an integer that no double holds
        steps = [max(-_BIGGEST, min(_BIGGEST, step)) for step in steps]
        columns = [array("q", steps), array("d", map(_double, values)), array("d", times)]
    return b"".join(map(_bytes, columns))


def _unpacked(data: bytes) -> Iterable[tuple[int, float, float]]:
    third = len(data) // 3
    columns: list[array[Any]] = [array("q"), array("d"), array("d")]
    for place, column in enumerate(columns):
        column.frombytes(data[place * third : (place + 1) * third])
        if sys.byteorder == "big":
            column.byteswap()
    return zip(*columns, strict=True)


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
