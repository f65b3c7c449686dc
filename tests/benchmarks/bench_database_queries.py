"""Queries of 100,000 runs in SQLite, each beside a bare query of one indexed column in the same file."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from harness import clean_room, milliseconds, row, turns

RUNS = 100_000
FAST = 0.005  # seconds: the latest by one or two uncorrelated conditions, the best by a result
ANY = 0.250
TURNS = 9

LATEST = {
    "the latest": "",
    "of a project": "project = vision",
    "of a project with few runs": "project = rare",
    "that failed": "state = failed",
    "of a name": "name = train",
    "by a pattern": "name ~ tr*",
    "with a label": "labels.team = c",
    "with a rare label": "labels.owner = user7",
    "by a parameter": "params.depth = 3",
    "by a result": "results.accuracy > 0.9",
    "by a rare result": "results.accuracy > 0.999",
    "by a result and a parameter": "results.accuracy > 0.9 and params.depth = 3",
    "by two results": "results.accuracy > 0.9 and results.loss < 0.5",
    "that failed, by a result": "state = failed and results.accuracy > 0.5",
}
OTHERS = {
    "a pattern without a beginning": "name ~ *-x",
    "everything but a value": "params.opt != adam",
    "a long duration": "duration > 99.9",
    "a kind that nobody uses": "kind = dask",
}


def fill(database: Any) -> None:
    """Write the runs: created ended, as an import does."""
    chance = random.Random(1)
    for number in range(RUNS):
        created = 1_790_000_000.0 + 10 * number
        state = chance.choices(["completed", "failed", "aborted"], [90, 8, 2])[0]
        name = chance.choice(["train", "eval", "prep", "tune", "infer"]) + ("-x" if chance.random() < 0.0003 else "")
        metadata = {
            "uid": f"{int(created * 1000):012x}-{number:06d}",
            "name": name,
            "project": chance.choices(["default", "vision", "rare"], [70, 29.97, 0.03])[0],
            "labels": {"team": chance.choice("abcdefgh"), "owner": f"user{chance.randrange(200)}"},
        }
        params = {"depth": chance.randrange(20), "rate": chance.random(), "opt": chance.choice(["adam", "sgd"])}
        status = {
            "state": state,
            "created": created,
            "started": created + 0.1,
            "ended": created + 100 * chance.random(),
            "results": {"accuracy": chance.random(), "loss": 5 * chance.random()},
            "environment": {"python": "3.11.7", "packages": ["a==1"] * 20},
        }
        database.create_run({"metadata": metadata, "spec": {"kind": "local", "params": params}, "status": status})


def bare(path: Path) -> float:
    """The latest 50 by the primary key, in seconds."""
    database = sqlite3.connect(path)
    started = time.perf_counter()
    database.execute("select doc from runs order by id desc limit 50").fetchall()
    taken = time.perf_counter() - started
    database.close()
    return taken


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        from framework.conditions import parse
        from framework.databases import RunQuery
        from framework_db_sql.database import SqlDatabase

        path = folder / "runs.db"
        database = SqlDatabase(f"sqlite://{path}")
        fill(database)
        database.count_runs(RunQuery(conditions=parse("params.depth = 3")))  # whoever queries first writes the facts

        def asked(**parts: Any) -> Any:
            def measure() -> float:
                started = time.perf_counter()
                database.runs(RunQuery(**parts))
                return time.perf_counter() - started

            return measure

        kinds = [
            *((what, FAST, asked(conditions=parse(text) if text else [])) for what, text in LATEST.items()),
            ("the best by a result", FAST, asked(order_by="results.accuracy")),
            ("the lowest by a result", FAST, asked(order_by="results.loss", descending=False)),
            *((what, ANY, asked(conditions=parse(text))) for what, text in OTHERS.items()),
            ("by duration", ANY, asked(order_by="duration")),
        ]
        for what, budget, measure in kinds:
            by_hand, taken = turns(TURNS, lambda: bare(path), measure)
            row(
                f"50 of {RUNS:,} runs: {what}",
                f"≤ {milliseconds(budget)}",
                measured=milliseconds(taken),
                baseline=f"{milliseconds(by_hand)} (the last 50 rows)",
                ratio=taken / by_hand,
                kept=taken <= budget,
            )
        database.close()


if __name__ == "__main__":
    main()
