"""Tracked inline runs, durable in SQLite, against two bare transactions a run."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from uuid import uuid4

from harness import clean_room, rate, row, totals

SHARE = 0.30
RUNS = 100
TURNS = 100


class Bare:
    """A table of documents, with the settings that an inline run has: WAL, synchronous NORMAL.

    Args:
        path: The database's file.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.execute("create table runs (uid text primary key, state text, document text)")

    def runs(self) -> float:
        """Insert a document and update it, each in a transaction of its own; seconds for all."""
        execute = self._database.execute
        started = time.perf_counter()
        for number in range(RUNS):
            uid = uuid4().hex
            document = {"metadata": {"uid": uid, "name": "double"}, "spec": {"params": {"number": number}}}
            execute("begin immediate")
            execute("insert into runs values (?, 'running', ?)", (uid, json.dumps({**document, "status": {}})))
            execute("commit")
            document["status"] = {"state": "completed", "results": {"return": 2 * number}}
            execute("begin immediate")
            execute("update runs set state = 'completed', document = ? where uid = ?", (json.dumps(document), uid))
            execute("commit")
        return time.perf_counter() - started


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
        bare, ours = totals(TURNS, Bare(folder / "bare.db").runs, tracked)
        share = bare / ours
        row(
            "tracked inline runs, against two bare SQLite transactions",
            f"≥ {SHARE:.0%} of bare",
            measured=rate(RUNS * TURNS / ours),
            baseline=rate(RUNS * TURNS / bare),
            ratio=share,
            kept=share >= SHARE,
        )


if __name__ == "__main__":
    main()
