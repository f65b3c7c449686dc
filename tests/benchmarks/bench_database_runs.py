"""Runs and metric points into SQLite, by the database alone: no planner, no handler."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from harness import clean_room, rate, row, turns

SHARE = 0.50
RUNS = 1_000
POINTS = 200_000
BLOCK = 5_000  # points of an event
POINTS_PER_SECOND = 200_000
TURNS = 7


def document(number: int) -> dict[str, Any]:
    """The document of a small inline run."""
    from framework_run.uid import new_uid

    function = "db://default/double@sha256:" + "a" * 64
    return {
        "metadata": {"uid": new_uid(), "name": "double", "project": "default"},
        "spec": {"kind": "local", "function": function, "handler": "double", "params": {"number": number}},
        "status": {"state": "running", "created": time.time(), "environment": {"python": "3.11.7", "host": "here"}},
    }


def two_transactions(path: Path) -> float:
    """Insert a document and update it, each in a transaction of its own, in seconds for all."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute("create table if not exists runs (uid text primary key, state text, document text)")
    runs = [document(number) for number in range(RUNS)]
    started = time.perf_counter()
    for number, run in enumerate(runs):
        uid = run["metadata"]["uid"]
        database.execute("begin immediate")
        database.execute("insert into runs values (?, 'running', ?)", (uid, json.dumps(run)))
        database.execute("commit")
        run["status"] |= {"state": "completed", "results": {"return": 2 * number}}
        database.execute("begin immediate")
        database.execute("update runs set state = 'completed', document = ? where uid = ?", (json.dumps(run), uid))
        database.execute("commit")
    taken = time.perf_counter() - started
    database.close()
    return taken


def tracked(database: Any) -> float:
    """The same by the interface: created; then running, a line of output, a result and the end applied."""
    from framework_run.events import Producer

    prepared = []
    for number in range(RUNS):
        run = document(number)
        producer = Producer({"uid": run["metadata"]["uid"]})
        events = [
            producer.event("state", {"state": "running", "pid": 1}),
            producer.event("log", {"stream": "stdout", "text": "hello\n"}),
            producer.event("result", {"values": {"return": 2 * number}}),
            producer.event("end", {"state": "completed", "cause": None}),
        ]
        prepared.append((run, events))
    started = time.perf_counter()
    for run, events in prepared:
        database.create_run(run)
        database.apply(run["metadata"]["uid"], events)
    return time.perf_counter() - started


def bare_points(path: Path) -> float:
    """Insert a row a point in one transaction, in seconds."""
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode = wal")
    database.execute("create table if not exists points (run integer, key text, step integer, value real, time real)")
    points = [(step, 1 / (step + 1), 1.0) for step in range(POINTS)]
    started = time.perf_counter()
    database.executemany("insert into points values (1, 'loss', ?, ?, ?)", points)
    database.commit()
    taken = time.perf_counter() - started
    database.close()
    return taken


def points(database: Any) -> float:
    """Apply the events of as many points, one transaction an event, in seconds."""
    from framework_run.events import Producer

    run = document(0)
    database.create_run(run)
    producer = Producer({"uid": run["metadata"]["uid"]})
    events = []
    for start in range(0, POINTS, BLOCK):
        steps = list(range(start, start + BLOCK))
        values = [1 / (step + 1) for step in steps]
        events.append(
            producer.event("metric", {"key": "loss", "steps": steps, "values": values, "times": [1.0] * BLOCK})
        )
    started = time.perf_counter()
    for event in events:
        database.apply(run["metadata"]["uid"], [event])
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        from framework_db_sql.database import SqlDatabase

        database = SqlDatabase(f"sqlite://{folder}/ours.db")
        bare, ours = turns(TURNS, lambda: two_transactions(folder / "bare.db"), lambda: tracked(database))
        by_hand, blocks = turns(TURNS, lambda: bare_points(folder / "bare.db"), lambda: points(database))
        database.close()
    row(
        "runs through the database alone, against two bare SQLite transactions",
        f"≥ {SHARE:.0%} of bare",
        measured=rate(RUNS / ours),
        baseline=rate(RUNS / bare),
        ratio=bare / ours,
        kept=bare / ours >= SHARE,
    )
    row(
        "metric points through the database alone",
        f"≥ {rate(POINTS_PER_SECOND)}",
        measured=rate(POINTS / blocks),
        baseline=rate(POINTS / by_hand),
        ratio=by_hand / blocks,
        kept=POINTS / blocks >= POINTS_PER_SECOND,
    )


if __name__ == "__main__":
    main()
