"""The version of a folder of 10,000 files: the first time, and again."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from harness import clean_room, milliseconds, row, turns

FILES = 10_000
FIRST = 0.150  # seconds
AGAIN = 0.050
TURNS = 5


def plant(folder: Path) -> None:
    """Make the tree: 100 folders of 100 small files."""
    for number in range(FILES):
        path = folder / f"part{number // 100:02d}" / f"module{number % 100:02d}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"NUMBER = {number}\n" * 10)
    (folder / "main.py").write_text("def handler() -> int:\n    return 1\n")


def walk(folder: Path) -> float:
    """Walk the tree and hash every file, in seconds."""
    started = time.perf_counter()
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:  # noqa: PTH118, PTH123  as bare as can be
                hashlib.sha256(file.read()).hexdigest()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        tree = folder / "tree"
        plant(tree)
        from framework.documents.identity import version_of
        from framework.sources import from_path

        def version() -> float:
            started = time.perf_counter()
            version_of(from_path(tree, handler="main.handler").function)
            return time.perf_counter() - started

        bare = walk(tree)
        first = version()
        bare_again, again = turns(TURNS, lambda: walk(tree), version)
    for name, budget, taken, baseline in (
        ("first", FIRST, first, min(bare, bare_again)),
        ("again", AGAIN, again, bare_again),
    ):
        row(
            f"identity of a tree of {FILES:,} files, {name}",
            f"≤ {milliseconds(budget)}",
            measured=milliseconds(taken),
            baseline=f"{milliseconds(baseline)} (walk, SHA-256)",
            ratio=taken / baseline,
            kept=taken <= budget,
        )


if __name__ == "__main__":
    main()
