"""Conditions: what parses, what the errors show, what fits."""

from __future__ import annotations

import math
import re
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.conditions import MISSING, fits, glob_matches, holds, matches, parse, value_of
from framework.databases import Condition, RunQuery
from framework.errors import ConditionError

RUN: dict[str, Any] = {
    "metadata": {"uid": "1", "name": "train", "labels": {"team": "a", "version": "3"}},
    "spec": {"kind": "job", "params": {"depth": 3, "a key": "x", "big": {"$int": "9007199254740993"}, "list": [1]}},
    "status": {
        "state": "failed",
        "cause": "UserError",
        "results": {"accuracy": 0.9, "nan": {"$float": "nan"}, "done": True, "none": None},
        "metrics": {"loss": 0.5},
        "created": 100.0,
        "started": 101.0,
        "ended": 103.5,
    },
}


@pytest.mark.parametrize(
    ("text", "field", "operator", "value"),
    [
        ("results.accuracy > 0.9", "results.accuracy", ">", 0.9),
        ("results.accuracy>=-1e-3", "results.accuracy", ">=", -0.001),
        ("params.depth == 3", "params.depth", "=", 3),
        ("params.depth = '3'", "params.depth", "=", "3"),
        ('params."learning rate" != "two words"', "params.learning rate", "!=", "two words"),
        ("params.deep.key-2/x = adam", "params.deep.key-2/x", "=", "adam"),
        ("results.done = TRUE", "results.done", "=", True),
        ("results.none = null", "results.none", "=", None),
        ("name ~ train-*", "name", "~", "train-*"),
        ("params.n ~ 3", "params.n", "~", "3"),
        ("labels.version = 3", "labels.version", "=", "3"),
        ("created > 100", "created", ">", 100),
        ("created > 2026-11-24T10:00:00Z", "created", ">", 1795514400.0),
    ],
)
def test_a_condition_parses(text: str, field: str, operator: str, value: object) -> None:
    (condition,) = parse(text)
    assert (condition.field, condition.operator, condition.value) == (field, operator, value)
    assert type(condition.value) is type(value)


def test_a_time_without_a_zone_is_local() -> None:
    (condition,) = parse("ended < '2026-11-24 10:00'")
    assert condition.value == datetime(2026, 11, 24, 10).astimezone().timestamp()


def test_conditions_are_joined_by_and() -> None:
    found = parse("results.accuracy > 0.9 and params.depth=3 AND name = and")
    assert [condition.field for condition in found] == ["results.accuracy", "params.depth", "name"]
    assert found[2].value == "and"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", 0, "a field is expected"),
        ("> 3", 0, "a field is expected"),
        ("results.accuracy", 16, "an operator is expected"),
        ("results.accuracy >", 18, "a value is expected"),
        ("params.x = 'open", 11, "a value is expected"),
        ("params.x = 1 or params.y = 2", 13, "'and' or the end"),
        ("params.x = 1 and", 16, "a field is expected"),
        ("params.x = 1 and result.y = 2", 17, "did you mean results.y?"),
        ("statte = failed", 0, "did you mean state?"),
        ("nothing = 1", 0, "results.KEY"),
        ("params = 1", 0, "did you mean params.KEY?"),
    ],
)
def test_an_error_shows_the_place(text: str, place: int, reason: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(reason)) as raised:
        parse(text)
    _, shown, caret = raised.value.message.splitlines()
    assert shown.strip() == text
    assert caret.index("^") - 4 == place
    assert raised.value.advice


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("results.accuracy > 0.8", True),
        ("results.accuracy > 0.9", False),
        ("results.accuracy >= 0.9", True),
        ("params.depth < 3.5", True),
        ("params.depth = 3.0", True),
        ("params.depth = '3'", False),
        ("params.depth != '3'", True),
        ("params.depth > two", False),
        ("params.big = 9007199254740993", True),
        ("params.big = 9007199254740992", False),
        ("params.list = 1", False),
        ("params.list != 1", True),
        ("results.done = true", True),
        ("results.done = 1", False),
        ("results.done > false", False),
        ("results.none = null", True),
        ("results.none != null", False),
        ("results.missing = null", False),
        ("results.missing != 1", True),
        ("results.missing < 1", False),
        ("results.nan = nan", False),
        ("results.nan != nan", True),
        ("results.nan < 1", False),
        ("params.'a key' ~ ?", True),
        ("params.depth ~ 3", False),
        ("labels.version = 3", True),
        ("name ~ 'tr[!b]*'", True),
        ("project = default", True),
        ("kind = job", True),
        ("state = failed", True),
        ("cause != UserError", False),
        ("duration = 2.5", True),
    ],
)
def test_what_fits(text: str, *, fitting: bool) -> None:
    assert all(matches(condition, RUN) for condition in parse(text)) is fitting


def test_a_run_that_has_not_ended_has_no_duration() -> None:
    assert value_of({"metadata": {"name": "x"}, "status": {"started": 1.0}}, "duration") is MISSING
    assert value_of({"metadata": {"name": "x"}}, "state") == "created"


@pytest.mark.parametrize(
    ("query", "fitting"),
    [
        (RunQuery(), True),
        (RunQuery(project="other"), False),
        (RunQuery(name="tr*"), True),
        (RunQuery(name="tr"), False),
        (RunQuery(states=["failed", "aborted"]), True),
        (RunQuery(states=["completed"]), False),
        (RunQuery(labels={"team": "b"}), False),
        (RunQuery(since=100.0, until=100.1), True),
        (RunQuery(until=100.0), False),
        (RunQuery(parent="x"), False),
    ],
)
def test_what_a_query_asks_for(query: RunQuery, *, fitting: bool) -> None:
    assert fits(query, RUN) is fitting


@pytest.mark.parametrize(
    ("wanted", "fitting"),
    [
        ("db://default/train", True),
        ("db://default/train@sha256:abcd", True),
        ("db://default/train@sha256:ab", True),
        ("db://default/train@sha256:b", False),
        ("db://default/trai", False),
    ],
)
def test_a_function_with_or_without_its_version(wanted: str, *, fitting: bool) -> None:
    run = {**RUN, "spec": {"function": "db://default/train@sha256:abcd"}}
    assert fits(RunQuery(function=wanted), run) is fitting


@given(st.text("ab*?[]-\\ ☃\n", max_size=8), st.text("ab-[]☃\n", max_size=4))
def test_patterns_are_those_of_fnmatch(pattern: str, text: str) -> None:
    assert glob_matches(pattern, text) is fnmatchcase(text, pattern)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_a_value_equals_itself_and_no_other_type(value: Any) -> None:
    def compared(operator: Any, wanted: Any) -> bool:
        return holds(Condition(field="params.x", operator=operator, value=wanted), value)

    is_nan = isinstance(value, float) and math.isnan(value)
    assert compared("=", value) is not is_nan
    assert compared("!=", value) is is_nan
    assert compared("=", "text") is (value == "text")
    assert compared("!=", object) is True
