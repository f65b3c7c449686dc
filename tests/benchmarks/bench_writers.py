"""Eight processes that write runs to one SQLite file: no lock error, nothing lost."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from pathlib import Path

from harness import clean_room, rate, row

PROCESSES = 8
RUNS = 200


def tracked(number: int) -> int:
    """Run a function inline so many times; returns how many calls failed."""
    import framework as fw

    @fw.function
    def double(number: int) -> int:
        return 2 * number

    failed = 0
    for each in range(RUNS):
        try:
            double.run(params={"number": number * RUNS + each})
        except fw.FrameworkError:
            failed += 1
    return failed


def bare(path: str) -> int:
    """Insert and update as many rows, each in a transaction of its own."""
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    database.execute("pragma synchronous = normal")
    for each in range(RUNS):
        database.execute("begin immediate")
        row_id = database.execute("insert into runs values ('running', ?)", (each,)).lastrowid
        database.execute("commit")
        database.execute("begin immediate")
        database.execute("update runs set state = 'completed' where rowid = ?", (row_id,))
        database.execute("commit")
    database.close()
    return 0


def prepare(path: Path) -> None:
    """Make the bare database."""
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode = wal")
    database.execute("create table runs (state text, number integer)")
    database.close()


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        prepare(folder / "bare.db")
        context = multiprocessing.get_context("spawn")
        with context.Pool(PROCESSES) as pool:
            pool.map(abs, range(PROCESSES), chunksize=1)  # every process is up
            started = time.perf_counter()
            pool.map(bare, [str(folder / "bare.db")] * PROCESSES, chunksize=1)
            by_hand = time.perf_counter() - started
            started = time.perf_counter()
            failed = sum(pool.map(tracked, range(PROCESSES), chunksize=1))
            ours = time.perf_counter() - started
        import framework as fw

        kept = {run.params["number"] for run in fw.runs(limit=None) if run.state == "completed"}
        missing = PROCESSES * RUNS - len(kept)
    row(
        f"{PROCESSES} processes, each {RUNS} inline runs into one SQLite file",
        "0 errors, 0 lost",
        measured=f"{failed} errors, {missing} lost, {rate(PROCESSES * RUNS / ours)}",
        baseline=rate(PROCESSES * RUNS / by_hand),
        ratio=by_hand / ours,
        kept=failed == 0 and missing == 0,
    )


if __name__ == "__main__":
    main()
