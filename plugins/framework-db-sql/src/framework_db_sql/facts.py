"""Narrow facts of runs: what queries by parameter, result, metric and label look at.

They are written some hundred runs at a time, by who writes many runs or by who queries first, so that a run costs nothing for them
while it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from framework_db_sql.engine import Engine
from framework_run.numbers import decode

BATCH = 500


def index_all(engine: Engine) -> None:
    """Write the facts of every run that has none yet."""
    with engine.reading() as cursor:
        cursor.execute("select 1 from runs where indexed = 0 limit 1")
        if cursor.fetchone() is None:
            return
    while index_some(engine) == BATCH:
        pass


def index_some(engine: Engine) -> int:
    """Write the facts of some hundred runs; returns of how many."""
    with engine.transaction() as cursor:
        lock = "" if engine.is_sqlite else " for update skip locked"
        cursor.execute(f"select id, doc from runs where indexed = 0 limit {BATCH}{lock}")
        rows = cursor.fetchall()
        if not rows:
            return 0
        keys = [(row[0],) for row in rows]
        for table in ("numbers", "texts"):
            cursor.executemany(engine.sql(f"delete from {table} where run = ?"), keys)
        numbers: list[tuple[str, float | str, int]] = []
        texts: list[tuple[str, float | str, int]] = []
        for key, text in rows:
            for name, value in facts_of(json.loads(text)):
                (numbers if isinstance(value, float) else texts).append((name, value, key))
        for table, facts in (("numbers", numbers), ("texts", texts)):
            statement = f"insert into {table} (key, value, run) values (?, ?, ?) on conflict do nothing"
            cursor.executemany(engine.sql(statement), facts)
        cursor.executemany(engine.sql("update runs set indexed = 1 where id = ?"), keys)
    return len(rows)


def facts_of(run: dict[str, Any]) -> Iterator[tuple[str, float | str]]:
    """The facts of a run's document: (section.key, value)."""
    status = run.get("status", {})
    sections = {
        "params": run.get("spec", {}).get("params", {}),
        "results": status.get("results", {}),
        "metrics": status.get("metrics", {}),
        "labels": run.get("metadata", {}).get("labels", {}),
    }
    for section, content in sections.items():
        for key, value in content.items():
            fact = fact_of(decode(value))
            if fact is not None:
                yield f"{section}.{key}", fact


def fact_of(value: Any) -> float | str | None:
    """A value as it stands in the tables: numbers as such, everything else that can be asked for as marked text."""
    if isinstance(value, bool):
        return f"b{str(value).lower()}"
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if number == number else None  # noqa: PLR0124  NaN is in no order
    if value is None:
        return "n"
    return f"s{value[:200]}" if isinstance(value, str) else None
