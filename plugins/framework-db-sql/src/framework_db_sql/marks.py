"""Marks of chunks as text: a list for each row of consecutive events: iteration, rank, first number, then sizes."""

from __future__ import annotations

import json
from collections.abc import Iterable

from framework.databases import Mark


def packed(marks: Iterable[Mark]) -> str:
    """The marks as they stand in a table."""
    rows: list[list[int]] = []
    expected: tuple[int, int, int] | None = None
    for iteration, rank, number, size in marks:
        if (iteration, rank, number) == expected:
            rows[-1].append(size)
        else:
            rows.append([iteration, rank, number, size])
        expected = (iteration, rank, number + 1)
    return json.dumps(rows, separators=(",", ":"))


def unpacked(text: str | None) -> tuple[Mark, ...]:
    """The marks that `packed` was given; none of what was written before there were marks."""
    rows = json.loads(text) if text else []
    return tuple(
        (iteration, rank, first + place, size)
        for iteration, rank, first, *sizes in rows
        for place, size in enumerate(sizes)
    )
