"""Queries of runs: which way leads to the first rows soonest.

A count of the first `PROBE` matches tells whether a condition is rare. By the rare ones the runs that may fit are named
and then tested. Where none is rare, the runs, or the facts that lie in their order, are gone through until there are
enough, because of each hundred some fit. `framework.conditions.fits` says what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import and_
from typing import Any, Final, TypeVar

import peewee
from attrs import frozen

from framework.conditions import FIELDS, MISSING, conditions_of, value_of
from framework.databases import Condition, Document, RunQuery
from framework_db_sql.dialects import DRIVER, RUNS, Dialect
from framework_db_sql.engine import Engine, Session
from framework_db_sql.facts import encode, key_of
from framework_db_sql.jsontext import loads
from framework_db_sql.predicates import Predicate, Source, predicate
from framework_db_sql.unsettled import any_dirty, write_facts

PROBE: Final = 5_000
"""Matches beyond which a condition is not rare."""
_CHUNK: Final = 500  # ids in one statement
_TRIES: Final = 3  # rounds of writing facts before the query does it in its own transaction
_SLACK: Final = 10_000_000  # microseconds by which an id may lie behind its run's creation

_Result = TypeVar("_Result")


@frozen(kw_only=True)
class _Plan:
    """A query, taken apart."""

    dialect: Dialect
    predicates: Sequence[Predicate]
    tests: Sequence[Any]  # of columns, true for every run that fits
    bounds: Callable[[Any], list[Any]]  # tests of an id


def find(engine: Engine, query: RunQuery) -> list[Document]:
    """The documents of the runs that fit, in order."""
    plan = _planned(engine, query)
    by_fact = query.order_by not in FIELDS or query.order_by == "name"
    return _read(engine, plan, lambda session: _found(session, plan, query), facts=by_fact)


def count(engine: Engine, query: RunQuery) -> int:
    """How many runs fit, regardless of limit and offset."""
    plan = _planned(engine, query)

    def counted(session: Session) -> int:
        rare, source = _choice(session, plan)
        if rare:
            candidates = _candidates(session, plan, rare)
            return sum(len(ids) for ids in _tested(session, plan, candidates, _CHUNK))
        rows = plan.dialect.rows(session, _through(plan, source, peewee.fn.COUNT(peewee.SQL("*"))))
        return int(rows[0][0])

    return _read(engine, plan, counted, facts=False)


def _planned(engine: Engine, query: RunQuery) -> _Plan:
    dialect = Dialect(engine)
    predicates = [predicate(condition, dialect) for condition in conditions_of(query)]
    tests = []
    if query.parent is not None:
        tests.append(RUNS.c.parent == query.parent)
        if query.parent:
            tests.append(RUNS.c.parent != peewee.SQL("''"))  # the index of children says so as well
    if len(query.states) == 1:
        predicates.append(predicate(Condition(field="state", operator="=", value=query.states[0]), dialect))
    elif query.states:
        tests.append(RUNS.c.state.in_(list(query.states)))
    if query.function is not None:
        tests.append(_of_function(query.function))
    tests += [RUNS.c.created >= query.since] if query.since is not None else []
    tests += [RUNS.c.created < query.until] if query.until is not None else []
    return _Plan(dialect=dialect, predicates=predicates, tests=tests, bounds=lambda run: _bounds(query, run))


def _of_function(uri: str) -> Any:
    """Runs of a function, or of the versions of it that begin so."""
    start, column = uri if "@" in uri else f"{uri}@", RUNS.c.function
    versions = (column >= start) & (column < f"{start}\x7f")
    return versions if "@" in uri else versions | (column == uri)


def _bounds(query: RunQuery, run: Any) -> list[Any]:
    since = [] if query.since is None else [run >= int(query.since * 1_000_000)]
    return since if query.until is None else [*since, run <= int(query.until * 1_000_000) + _SLACK]


def _read(engine: Engine, plan: _Plan, read: Callable[[Session], _Result], *, facts: bool) -> _Result:
    """Read one state of the database in which no fact is missing that the query looks at."""
    if not facts and not any(one.source or one.of_facts for one in plan.predicates):
        with engine.reading(snapshot=True) as session:
            return read(session)
    for _ in range(_TRIES):
        with engine.reading(snapshot=True) as session:
            if not any_dirty(session):
                return read(session)
        written = 1
        while written:
            with engine.writing() as session:
                written = write_facts(engine, session)
    with engine.writing_alone() as session:
        while write_facts(engine, session):
            pass
        return read(session)


def _choice(session: Session, plan: _Plan) -> tuple[list[Source], Source | None]:
    """The sources that are rare; where there are none, one whose facts lie in the order of time, if there is one."""
    sources = [one.source for one in plan.predicates if one.source is not None]
    rare = [source for source in sources if _probe(session, plan, source) < PROBE]
    in_order = [source for source in sources if source.in_time_order]
    in_order += [source for source in sources if source.is_numeric]
    return rare, (in_order[0] if in_order and not rare else None)


def _probe(session: Session, plan: _Plan, source: Source) -> int:
    facts = plan.dialect.facts()
    some = facts.select(peewee.SQL("1")).where(source.within(facts, plan.dialect)).limit(PROBE).alias("some")
    rows = plan.dialect.rows(session, peewee.Select([some], [peewee.fn.COUNT(peewee.SQL("*"))]))
    return int(rows[0][0])


def _found(session: Session, plan: _Plan, query: RunQuery) -> list[Document]:
    wanted = None if query.limit is None else query.limit + query.offset
    rare, source = _choice(session, plan)
    if rare:
        ids = _candidates(session, plan, rare)
        if query.order_by != "created":
            return _sorted(session, plan, query, ids)
        ids.sort(reverse=query.descending)
        found = _enough(_tested(session, plan, ids, wanted or _CHUNK), wanted)
    elif query.order_by == "created":
        found = _in_time(session, plan, query, source, wanted)
    elif query.order_by in FIELDS and query.order_by != "name":
        found = _by_column(session, plan, query, wanted)
    else:
        found = _by_fact(session, plan, query, wanted)
    return _documents(session, found[query.offset : wanted])


def _candidates(session: Session, plan: _Plan, rare: Sequence[Source]) -> list[int]:
    """The runs that are in all of these sources."""
    found: set[int] | None = None
    for source in rare:
        facts = plan.dialect.facts()
        rows = plan.dialect.rows(session, facts.select(facts.c.run).where(source.within(facts, plan.dialect)))
        runs = {run for (run,) in rows}
        found = runs if found is None else found & runs
    return list(found or ())


def _tested(session: Session, plan: _Plan, ids: Sequence[int], first: int) -> Iterator[list[int]]:
    """Those of some runs that fit, in their order, piece by piece: the first piece is small."""
    size, place = min(max(2 * first, 50), _CHUNK), 0
    while place < len(ids):
        piece = ids[place : place + size]
        # as text: peewee takes ten times longer for as many arguments than SQLite for the query
        named = peewee.SQL(f'"r"."id" IN ({", ".join(map(str, piece))})')
        tests = [named, *_all_tests(plan, RUNS.c.id)]
        fitting = {run for (run,) in plan.dialect.rows(session, RUNS.select(RUNS.c.id).where(reduce(and_, tests)))}
        yield [run for run in piece if run in fitting]
        place, size = place + size, _CHUNK


def _all_tests(plan: _Plan, run: Any) -> list[Any]:
    return [*plan.bounds(run), *(one.test(run) for one in plan.predicates), *plan.tests]


def _enough(pieces: Iterator[list[int]], wanted: int | None) -> list[int]:
    found: list[int] = []
    for piece in pieces:
        found += piece
        if wanted is not None and len(found) >= wanted:
            break
    return found


def _through(plan: _Plan, source: Source | None, what: Any, facts: peewee.Table = DRIVER) -> Any:
    """A query that goes through the runs, or through the facts of a source, and tests each."""
    if source is None:
        tests = _all_tests(plan, RUNS.c.id)
        query = RUNS.select(what)
        return query.where(reduce(and_, tests)) if tests else query
    tests = [source.within(facts, plan.dialect), *_all_tests(plan, facts.c.run), RUNS.c.id == facts.c.run]
    query = facts.select(what).join(RUNS, peewee.JOIN.CROSS)  # CROSS keeps SQLite to this order of the two
    return query.where(reduce(and_, tests))


def _in_time(session: Session, plan: _Plan, query: RunQuery, source: Source | None, wanted: int | None) -> list[int]:
    dialect = plan.dialect
    if source is None:
        run = RUNS.c.id
        asked = _through(plan, None, run)
    else:
        facts = DRIVER if source.in_time_order else dialect.numbers_by_run("d")
        run = facts.c.run
        asked = _through(plan, source, run, facts)
        if not source.in_time_order:
            asked = asked.where(dialect.is_number(facts))
    return _ids(session, plan, asked.order_by(_directed(run, query)), wanted)


def _by_fact(session: Session, plan: _Plan, query: RunQuery, wanted: int | None) -> list[int]:
    """Runs in the order of a fact, then those that have none in the order of time."""
    every = Source(key=key_of(query.order_by), low=b"", high=b"\xff")
    value, run = DRIVER.c.value, DRIVER.c.run
    asked = _through(plan, every, run).order_by(_directed(value, query), _directed(run, query))
    found = _ids(session, plan, asked, wanted)
    if wanted is not None and len(found) >= wanted:
        return found
    facts = plan.dialect.facts()
    lacking = RUNS.c.id.not_in(facts.select(facts.c.run).where(every.within(facts, plan.dialect)))
    rest = _through(plan, None, RUNS.c.id).where(lacking).order_by(_directed(RUNS.c.id, query))
    return found + _ids(session, plan, rest, None if wanted is None else wanted - len(found))


def _by_column(session: Session, plan: _Plan, query: RunQuery, wanted: int | None) -> list[int]:
    field = query.order_by
    column = RUNS.c.ended - RUNS.c.started if field == "duration" else getattr(RUNS.c, field)
    order = (column.is_null(), _directed(column, query), _directed(RUNS.c.id, query))
    return _ids(session, plan, _through(plan, None, RUNS.c.id).order_by(*order), wanted)


def _sorted(session: Session, plan: _Plan, query: RunQuery, ids: Sequence[int]) -> list[Document]:
    """Few runs, in the order of any field."""
    ids = sorted((run for piece in _tested(session, plan, ids, _CHUNK) for run in piece), reverse=query.descending)
    documents = _documents(session, ids)
    keys = [_order_key(document, query.order_by) for document in documents]
    having = [(key, place) for place, key in enumerate(keys) if key is not None]
    having.sort(key=lambda pair: pair[0], reverse=query.descending)
    places = [place for _, place in having] + [place for place, key in enumerate(keys) if key is None]
    end = None if query.limit is None else query.offset + query.limit
    return [documents[place] for place in places[query.offset : end]]


def _order_key(document: Document, field: str) -> bytes | None:
    value = value_of(document, field)
    return None if value is MISSING else encode(value)


def _directed(expression: Any, query: RunQuery) -> Any:
    return expression.desc() if query.descending else expression.asc()


def _ids(session: Session, plan: _Plan, query: Any, wanted: int | None) -> list[int]:
    if wanted is not None:
        query = query.limit(wanted)
    return [run for (run,) in plan.dialect.rows(session, query)]


def _documents(session: Session, ids: Sequence[int]) -> list[Document]:
    """The documents of some runs, in their order."""
    found: list[Document] = []
    for start in range(0, len(ids), _CHUNK):
        piece = ids[start : start + _CHUNK]
        places = ", ".join("?" * len(piece))
        rows = session.execute(f"SELECT id, doc FROM runs WHERE id IN ({places})", piece).fetchall()  # noqa: S608
        texts = dict(rows)
        found += [loads(texts[run]) for run in piece]
    return found
