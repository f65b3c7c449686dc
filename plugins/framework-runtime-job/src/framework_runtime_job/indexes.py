"""Sets of indexes as Kubernetes writes them: ``0-3,5`` (``status.completedIndexes`` of a Job)."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str) -> set[int]:
    """The numbers of a text such as ``0-3,5``; none of an empty one."""
    found: set[int] = set()
    for part in text.split(","):
        if part:
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return found


def write(numbers: Iterable[int]) -> str:
    """Numbers as a text, in order, each run of them by its ends."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
