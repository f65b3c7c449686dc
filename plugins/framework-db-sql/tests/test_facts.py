"""Facts: bytes whose order is the order of the values, on both engines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.conditions import parse
from framework.databases import RunQuery
from framework.testing.database_bed import run_document
from framework_db_sql.database import SqlDatabase
from framework_db_sql.facts import LONGEST, encode, facts_of, key_of

NUMBERS = st.one_of(st.integers(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100)


def _bytes(value: Any) -> bytes:
    encoded = encode(value)
    assert encoded is not None
    return encoded


@given(NUMBERS, NUMBERS)
def test_numbers_keep_their_order_exactly(one: float, other: float) -> None:
    assert (_bytes(one) < _bytes(other)) is (one < other)
    assert (_bytes(one) == _bytes(other)) is (one == other)


@given(st.integers(2**53 - 4, 2**70), st.integers(-4, 4))
def test_neighbours_among_great_integers_are_told_apart(number: int, distance: int) -> None:
    for one in (number, -number):
        assert (_bytes(one) < _bytes(one + distance)) is (distance > 0)


@given(TEXTS, TEXTS)
def test_text_keeps_the_order_of_its_code_points(one: str, other: str) -> None:
    assert (_bytes(one) < _bytes(other)) is (one < other)


def test_types_have_an_order_of_their_own() -> None:
    values = [None, False, True, -math.inf, 0, math.inf, "", "a"]
    encoded = [_bytes(value) for value in values]
    assert sorted(encoded) == encoded
    assert len(set(encoded)) == len(values)


@pytest.mark.parametrize("value", [math.nan, [1], {"a": 1}, object()])
def test_what_no_condition_fits_has_no_fact(value: object) -> None:
    assert encode(value) is None


@pytest.mark.parametrize("value", ["\ud800", "a\0b", "\udcff" * 600])
def test_text_that_an_engine_would_refuse_is_made_fit(value: str) -> None:
    assert b"\0" not in _bytes(value)
    _bytes(value).decode()


def test_long_text_is_short_and_told_apart() -> None:
    one, other = "☃" * 400 + "a", "☃" * 400 + "b"
    assert _bytes(one) != _bytes(other)
    for text in (one, "x" * 100_000, "☃" * LONGEST):
        assert len(_bytes(text)) <= LONGEST + 1
        assert len(key_of(text).encode()) <= LONGEST


def test_the_facts_of_a_run() -> None:
    run = {
        "metadata": {"name": "train", "project": "vision", "labels": {"team": "a"}},
        "spec": {"params": {"depth": 3, "list": [1]}},
        "status": {"state": "completed", "results": {"big": {"$int": "9007199254740993"}}, "metrics": {"loss": 0.5}},
    }
    assert dict(facts_of(run)) == {
        "project": _bytes("vision"),
        "name": _bytes("train"),
        "labels.team": _bytes("a"),
        "params.depth": _bytes(3),
        "results.big": _bytes(2**53 + 1),
        "metrics.loss": _bytes(0.5),
    }


def test_the_rest_of_a_long_text_fits_no_pattern_by_chance(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
    for letter in "Zb":
        database.create_run(run_document(params={"text": letter * 700}))
    found = database.runs(RunQuery(conditions=parse("params.text ~ *[0-9a]*")))
    assert found == []
    assert len(database.runs(RunQuery(conditions=parse("params.text ~ *b*")))) == 1
    assert len(database.runs(RunQuery(conditions=parse(f"params.text = {'b' * 700}")))) == 1
    database.close()
