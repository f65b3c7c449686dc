"""Tracked inline runs, durable in SQLite, against two bare transactions a run."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from uuid import uuid4

from harness import clean_room, rate, row, turns

SHARE = 0.30
RUNS = 1_000
TURNS = 5


def two_transactions(path: Path, count: int) -> float:
    """Insert a document and update it, each in a transaction of its own; seconds for all.

    The settings are those that an inline run has: WAL, synchronous NORMAL.
    """
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute("create table if not exists runs (uid text primary key, state text, document text)")
    started = time.perf_counter()
    for number in range(count):
        uid = uuid4().hex
        document = {"metadata": {"uid": uid, "name": "double"}, "spec": {"params": {"number": number}}, "status": {}}
        database.execute("begin immediate")
        database.execute("insert into runs values (?, 'running', ?)", (uid, json.dumps(document)))
        database.execute("commit")
        document["status"] = {"state": "completed", "results": {"return": 2 * number}}
        database.execute("begin immediate")
        database.execute("update runs set state = 'completed', document = ? where uid = ?", (json.dumps(document), uid))
        database.execute("commit")
    taken = time.perf_counter() - started
    database.close()
    return taken


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        import framework as fw

        @fw.function
        def double(number: int) -> int:
            return 2 * number

        def tracked() -> float:
            started = time.perf_counter()
            for number in range(RUNS):
                double.run(params={"number": number})
            return time.perf_counter() - started

        double.run(params={"number": 0})  # the database is there from here on
        bare, ours = turns(TURNS, lambda: two_transactions(folder / "bare.db", RUNS), tracked)
        share = bare / ours
        row(
            "tracked inline runs, against two bare SQLite transactions",
            f"≥ {SHARE:.0%} of bare",
            measured=rate(RUNS / ours),
            baseline=rate(RUNS / bare),
            ratio=share,
            kept=share >= SHARE,
        )


if __name__ == "__main__":
    main()
