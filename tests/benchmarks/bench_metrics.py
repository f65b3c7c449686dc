"""Metric points that a handler logs, until they are durable."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from harness import clean_room, rate, row, turns

POINTS_PER_SECOND = 200_000
POINTS = 200_000
TURNS = 3


def bare(path: Path) -> float:
    """Insert as many rows in one transaction, in seconds."""
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode = wal")
    database.execute("create table if not exists points (run integer, key text, step integer, value real, time real)")
    started = time.perf_counter()
    now = time.time()
    database.executemany(
        "insert into points values (1, 'loss', ?, ?, ?)", ((step, 1 / step, now) for step in range(1, POINTS + 1))
    )
    database.commit()
    taken = time.perf_counter() - started
    database.close()
    return taken


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        import framework as fw

        @fw.function
        def log(points: int) -> None:
            context = fw.context()
            for step in range(1, points + 1):
                context.log_metric("loss", 1 / step, step=step)

        def tracked() -> float:
            started = time.perf_counter()
            log.run(params={"points": POINTS})
            return time.perf_counter() - started

        def kept() -> int:
            from framework.engine.session import current

            uid = log.run(params={"points": POINTS}).uid
            return len(current().database.metric(uid, "loss"))

        log.run(params={"points": 1})
        by_hand, ours = turns(TURNS, lambda: bare(folder / "bare.db"), tracked)
        row(
            "metric points logged by a handler, kept in SQLite",
            f"≥ {rate(POINTS_PER_SECOND)}",
            measured=rate(POINTS / ours),
            baseline=rate(POINTS / by_hand),
            ratio=by_hand / ours,
            kept=POINTS / ours >= POINTS_PER_SECOND and kept() == POINTS,
        )


if __name__ == "__main__":
    main()
