"""Conditions as SQL: each as a test of one run and, where the facts have it in order, as a source of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import peewee
from attrs import frozen

from framework.conditions import FIELDS, holds, is_glob
from framework.databases import Condition
from framework_db_sql.dialects import RUNS, Dialect
from framework_db_sql.facts import COLUMNS, NUMBER_FROM, NUMBER_TO, TEXT_FROM, TEXT_TO, USUAL, encode, key_of

ALWAYS: Final = peewee.SQL("1 = 1")
NEVER: Final = peewee.SQL("1 = 0")
_ONE: Final = peewee.SQL("1")
_COMPARED: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": lambda field, value: field == value,
    "!=": lambda field, value: (field != value) | field.is_null(),
    "<": lambda field, value: field < value,
    "<=": lambda field, value: field <= value,
    ">": lambda field, value: field > value,
    ">=": lambda field, value: field >= value,
}
_NUMERIC: Final = frozenset({"created", "started", "ended", "duration"})


@frozen(kw_only=True)
class Source:
    """A range of the facts of one key that holds every run that fits, and perhaps others.

    Args:
        key: The key.
        low: The first value that may fit.
        high: The first value behind it that may not; None where only ``low`` fits.
        pattern: A pattern that the text has to fit as well.
    """

    key: str
    low: bytes
    high: bytes | None = None
    pattern: str = ""

    @property
    def in_time_order(self) -> bool:
        """Whether its facts lie in the order of the runs: all have one value."""
        return self.high is None

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers alone, which have an index in the order of the runs."""
        return self.low >= NUMBER_FROM and (self.high or self.low) <= NUMBER_TO

    def within(self, facts: peewee.Table, dialect: Dialect) -> Any:
        """The test of a row of the facts."""
        here = facts.c.key == self.key
        if self.high is None:
            return here & (facts.c.value == self.low)
        here &= (facts.c.value >= self.low) & (facts.c.value < self.high)
        return here & dialect.text_fits_glob(facts, self.pattern) if self.pattern else here


@frozen(kw_only=True)
class Predicate:
    """A condition.

    Args:
        test: Takes the expression of a run's id and gives that of whether the run fits.
        source: Where the runs that fit are in order.
        of_facts: Whether the test looks at facts.
    """

    test: Callable[[Any], Any]
    source: Source | None = None
    of_facts: bool = False


def predicate(condition: Condition, dialect: Dialect) -> Predicate:
    """A condition as SQL."""
    if condition.field in FIELDS:
        return _of_column(condition, dialect)
    source = source_of(condition)
    if source is None:
        return Predicate(test=lambda _run: ALWAYS if condition.operator == "!=" else NEVER)
    if condition.operator == "!=":
        return Predicate(test=lambda run: ~_exists(source, run, dialect), of_facts=True)
    if source.in_time_order:
        return Predicate(test=lambda run: _exists(source, run, dialect), source=source)
    if source.is_numeric:
        return Predicate(test=lambda run: _exists_number(source, run, dialect), source=source)
    return Predicate(test=lambda run: run.in_(_matching(source, dialect)), source=source)


def source_of(condition: Condition) -> Source | None:
    """The facts that fit a condition, or with ``!=`` the one value that does not; None where no fact is like that."""
    key, operator = key_of(condition.field), condition.operator
    if operator == "~":
        return _of_pattern(key, str(condition.value))
    value = encode(condition.value)
    if value is None:
        return None
    if operator in ("=", "!="):
        return Source(key=key, low=value)
    if value < NUMBER_FROM:
        return None  # true, false and null have no order
    low, high = (NUMBER_FROM, NUMBER_TO) if value < TEXT_FROM else (TEXT_FROM, TEXT_TO)
    behind = value + b"\0"  # no other value lies between the two
    if operator in ("<", "<="):
        return Source(key=key, low=low, high=value if operator == "<" else behind)
    return Source(key=key, low=behind if operator == ">" else value, high=high)


def prefixed(key: str, prefix: str, pattern: str = "") -> Source:
    """The facts that are text and begin so."""
    low = TEXT_FROM + prefix.encode()
    return Source(key=key, low=low, high=low + b"\xff", pattern=pattern)


def _of_pattern(key: str, pattern: str) -> Source:
    if not is_glob(pattern):
        return Source(key=key, low=encode(pattern) or b"")
    first = min(pattern.find(sign) for sign in "*?[" if sign in pattern)
    return prefixed(key, pattern[:first], pattern)


def _of_column(condition: Condition, dialect: Dialect) -> Predicate:
    field, operator, value = condition.field, condition.operator, condition.value
    column = RUNS.c.ended - RUNS.c.started if field == "duration" else getattr(RUNS.c, field)
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if operator == "~":
        test = NEVER if field in _NUMERIC else dialect.fits_glob(column, str(value))
    elif (field in _NUMERIC and not numeric) or (field not in _NUMERIC and not isinstance(value, str)):
        test = ALWAYS if operator == "!=" else NEVER
    elif isinstance(value, (int, float)):
        test = _of_number(column, operator, value)
    else:
        test = _COMPARED[operator](column, value)
    sourced = field in COLUMNS and isinstance(value, str) and operator in ("=", "~") and not _fits_usual(condition)
    return Predicate(test=lambda _run: test, source=source_of(condition) if sourced else None)


def _fits_usual(condition: Condition) -> bool:
    """Whether a condition fits runs that have no fact to say so."""
    return condition.field in USUAL and holds(condition, USUAL[condition.field])


def _of_number(column: Any, operator: str, value: float) -> Any:
    try:
        number = float(value)
    except OverflowError:
        number = float("inf") if value > 0 else float("-inf")
    if number != number:  # noqa: PLR0124  NaN
        return ALWAYS if operator == "!=" else NEVER
    return _COMPARED[operator](column, number)


def _exists(source: Source, run: Any, dialect: Dialect) -> Any:
    facts = dialect.facts()
    return peewee.fn.EXISTS(facts.select(_ONE).where(source.within(facts, dialect) & (facts.c.run == run)))


def _exists_number(source: Source, run: Any, dialect: Dialect) -> Any:
    facts = dialect.numbers_by_run()
    here = source.within(facts, dialect) & dialect.is_number(facts) & (facts.c.run == run)
    return peewee.fn.EXISTS(facts.select(_ONE).where(here))


def _matching(source: Source, dialect: Dialect) -> Any:
    facts = dialect.facts()
    return facts.select(facts.c.run).where(source.within(facts, dialect))
