"""How peewee writes a query for each engine, and the few things that it has no word for."""

from __future__ import annotations

from typing import Any

import peewee

from framework.conditions import glob_expression, glob_matches
from framework_db_sql.engine import Engine, Session
from framework_db_sql.facts import TEXT_FROM, TEXT_TO
from framework_db_sql.sqlite import SqliteEngine

RUNS = peewee.Table("runs", alias="r")
DRIVER = peewee.Table("facts", alias="d")


class _FactsByRun(peewee.Table):
    """The facts through their index by run, which SQLite has to be told of."""

    def __sql__(self, ctx: Any) -> Any:
        super().__sql__(ctx)  # type: ignore[no-untyped-call]  # peewee's stubs leave it open
        return ctx.literal(" INDEXED BY facts_by_run") if ctx.scope == peewee.SCOPE_SOURCE else ctx


class Dialect:
    """Writes queries for one engine.

    Args:
        engine: Where they run.
    """

    def __init__(self, engine: Engine) -> None:
        self._sqlite = isinstance(engine, SqliteEngine)
        self._database = peewee.SqliteDatabase(None) if self._sqlite else peewee.PostgresqlDatabase(None)
        self._words = engine.words
        self._aliases = 0

    def rows(self, session: Session, query: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        statement, arguments = self._database.get_sql_context().sql(query).query()
        if "framework_glob" in statement:
            session.connection.create_function("framework_glob", 2, _glob, deterministic=True)
        rows: list[tuple[Any, ...]] = session.execute(statement, arguments).fetchall()
        return rows

    def facts(self) -> peewee.Table:
        """The facts, under a name of their own."""
        self._aliases += 1
        return peewee.Table("facts", alias=f"f{self._aliases}")

    def numbers_by_run(self, alias: str = "") -> peewee.Table:
        """The facts that are numbers, in the order of the runs; queries have to say `is_number`."""
        if not self._sqlite:
            return peewee.Table("facts", alias=alias) if alias else self.facts()
        self._aliases += 1
        return _FactsByRun("facts", alias=alias or f"f{self._aliases}")

    def is_number(self, facts: peewee.Table) -> Any:
        """The condition of the index by run, word for word."""
        low, high = self._words["number_from"], self._words["number_to"]
        return (facts.c.value >= peewee.SQL(low)) & (facts.c.value < peewee.SQL(high))

    def fits_glob(self, text: Any, pattern: str) -> Any:
        """Whether a text fits a pattern, by the rules of `framework.conditions.glob_matches`."""
        if not self._sqlite:
            return peewee.Expression(text, "~", f"(?s)^(?:{glob_expression(pattern)})$")
        if "[" in pattern:
            return peewee.fn.framework_glob(pattern, text) == 1
        return peewee.Expression(text, "GLOB", pattern)

    def text_fits_glob(self, facts: peewee.Table, pattern: str) -> Any:
        """Whether a fact is text that fits a pattern."""
        value = facts.c.value
        content = peewee.fn.SUBSTR(value, 2)
        if self._sqlite:
            return self.fits_glob(peewee.Cast(content, "TEXT"), pattern)
        # only of text: PostgreSQL may look at this before it looks at the index, and numbers are no UTF-8
        is_text = (value >= TEXT_FROM) & (value < TEXT_TO)
        fits = self.fits_glob(peewee.fn.CONVERT_FROM(content, "UTF8"), pattern)
        return peewee.Case(None, [(is_text, fits)], peewee.SQL("FALSE"))


def _glob(pattern: str, text: str | None) -> bool:
    return text is not None and glob_matches(pattern, text)
