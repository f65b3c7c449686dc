"""Queries of runs: SQL narrows, by few indexes; `framework.conditions` has the last word on every row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs

from framework.conditions import SECTIONS, matches
from framework.databases import Condition, Document, RunQuery
from framework_db_sql.engine import Engine
from framework_db_sql.facts import fact_of, index_all

PROBE = 5_000  # matches beyond which the runs are looked at by time instead
_FIRST, _NEXT = 64, 1_000  # rows fetched at once
_SQL_OPERATORS = {"=", "<", "<=", ">", ">="}

Clause = tuple[str, list[Any]]


def find(engine: Engine, query: RunQuery) -> Iterator[Document]:
    """The documents that fit, in order, from the offset on, up to the limit."""
    if query.limit == 0:
        return
    query = _with_labels(query)
    fields = [query.order_by, *(condition.field for condition in query.conditions)]
    if any(field.partition(".")[0] in SECTIONS for field in fields):
        index_all(engine)
    given = 0
    for number, document in enumerate(_matching(engine, query)):
        if number < query.offset:
            continue
        yield document
        given += 1
        if given == query.limit:
            return


def _with_labels(query: RunQuery) -> RunQuery:
    """The query with its labels as conditions."""
    wanted = [Condition(field=f"labels.{key}", operator="=", value=label) for key, label in query.labels.items()]
    return attrs.evolve(query, conditions=[*query.conditions, *wanted], labels={}) if wanted else query


def _matching(engine: Engine, query: RunQuery) -> Iterator[Document]:
    where, arguments = _where(engine, query)
    ways = _orders(query)
    for source, order, extra, more in ways:
        text = f"select runs.doc from {source} where {' and '.join([*where, *extra])} order by {order}"
        for row in _rows(engine, text, [*more, *arguments] if source != "runs" else [*arguments, *more]):
            document = json.loads(row[0])
            if all(matches(condition, document) for condition in query.conditions):
                yield document


def _rows(engine: Engine, text: str, arguments: list[Any]) -> Iterator[Any]:
    with engine.reading() as cursor:
        cursor.execute(engine.sql(text), arguments)
        size = _FIRST
        while rows := cursor.fetchmany(size):
            yield from rows
            size = _NEXT


def _orders(query: RunQuery) -> list[tuple[str, str, list[str], list[Any]]]:
    """The passes over the runs: those with the field in its order, then those without it, by time."""
    down = "desc" if query.descending else "asc"
    section, _, key = query.order_by.partition(".")
    by_time = f"runs.created {down}, runs.id {down}"
    if not key:
        column = {"name": "runs.name", "state": "runs.state", "project": "runs.project"}.get(query.order_by)
        return [("runs", f"{column} {down}, {by_time}" if column else by_time, [], [])]
    passes: list[tuple[str, str, list[str], list[Any]]] = []
    lacking = []
    for table in ("numbers", "texts"):
        # the join's own argument comes first in the text, so its pass says so by its source
        source = f"(select run, value from {table} where key = ?) fact join runs on runs.id = fact.run"
        passes.append((source, f"fact.value {down}, {by_time}", [], [query.order_by]))
        lacking.append(f"not exists (select 1 from {table} where run = runs.id and key = ?)")
    return [*passes, ("runs", by_time, lacking, [query.order_by] * 2)]


def _where(engine: Engine, query: RunQuery) -> tuple[list[str], list[Any]]:
    clauses: list[Clause] = [("1 = 1", [])]
    for column in ("project", "parent"):
        value = getattr(query, column)
        if value is not None:
            clauses.append((f"runs.{column} = ?", [value]))
    if query.name is not None:
        clauses.append(_name(engine, query.name))
    if query.states:
        clauses.append((f"runs.state in ({', '.join('?' * len(query.states))})", list(query.states)))
    if query.since is not None:
        clauses.append(("runs.created >= ?", [query.since]))
    if query.until is not None:
        clauses.append(("runs.created < ?", [query.until]))
    if query.function is not None:
        clauses.append(_function(engine, query.function))
    clauses += [_fact(engine, condition) for condition in query.conditions if _in_sql(condition)]
    return [clause for clause, _ in clauses], [argument for _, arguments in clauses for argument in arguments]


def _in_sql(condition: Condition) -> bool:
    return condition.field.partition(".")[0] in SECTIONS and condition.operator in _SQL_OPERATORS


def _name(engine: Engine, name: str) -> Clause:
    if not set(name) & set("*?["):
        return "runs.name = ?", [name]
    if engine.is_sqlite:
        return "runs.name glob ?", [name.replace("[!", "[^")]
    escaped = "".join("." if sign == "?" else ".*" if sign == "*" else sign if sign in "[]!-" else _escape(sign) for sign in name)
    return "runs.name ~ ?", [f"^{escaped.replace('[!', '[^')}$"]


def _escape(sign: str) -> str:
    return sign if sign.isalnum() or sign == "_" else "\\" + sign


def _function(engine: Engine, uri: str) -> Clause:
    """Runs of a function, or of one version of it."""
    path = "json_extract(runs.doc, '$.spec.function')" if engine.is_sqlite else "(runs.doc::json #>> '{spec,function}')"
    if "@" in uri:
        return f"{path} = ?", [uri]
    return f"({path} >= ? and {path} < ?)", [f"{uri}@", f"{uri}A"]  # "A" comes behind "@" in ASCII


def _fact(engine: Engine, condition: Condition) -> Clause:
    """A condition on a fact: by the fact's index where it is rare, else run by run."""
    value = fact_of(condition.value)
    table = "numbers" if isinstance(value, float) else "texts"
    if value is None:
        return "1 = 1", []
    test = f"key = ? and value {condition.operator} ?"
    arguments = [condition.field, value]
    if isinstance(value, str) and condition.operator != "=":
        test += " and value >= 's' and value < 't'"
    with engine.reading() as cursor:
        probe = f"select count(*) from (select 1 from {table} where {test} limit {PROBE}) probe"
        cursor.execute(engine.sql(probe), arguments)
        rare = cursor.fetchone()[0] < PROBE
    if rare:
        return f"runs.id in (select run from {table} where {test})", arguments
    return f"exists (select 1 from {table} where run = runs.id and {test})", arguments


def count(engine: Engine, query: RunQuery) -> int:
    """How many fit."""
    if not query.conditions and not query.labels:
        where, arguments = _where(engine, query)
        with engine.reading() as cursor:
            cursor.execute(engine.sql(f"select count(*) from runs where {' and '.join(where)}"), arguments)
            return int(cursor.fetchone()[0])
    return sum(1 for _ in find(engine, attrs.evolve(query, limit=None, offset=0, order_by="created")))
