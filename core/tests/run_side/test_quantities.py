"""Kubernetes quantities, read strictly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run.quantities import memory, parse


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("500m", Fraction(1, 2)),
        ("2Gi", 2**31),
        ("1.5Gi", 3 * 2**29),
        ("100k", 100_000),
        ("1e3", 1_000),
        ("1E3", 1_000),
        ("1E", 10**18),
        ("1Ei", 2**60),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        (4, 4),
        (0.1, Fraction(1, 10)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_what_a_quantity_stands_for(quantity, amount):
    assert parse(quantity) == amount


@pytest.mark.parametrize(
    "quantity", ["", "much", "1 Gi", "1GB", "2gi", "-1", "1ki", "1e", "1e3Gi", "0x10", None, True, [], float("nan")]
)
def test_what_is_none_is_refused_by_name(quantity):
    with pytest.raises(ValueError, match="is no quantity"):
        parse(quantity)


@given(st.integers(1, 2**60))
def test_bytes_as_a_quantity_are_rounded_up_to_mebibytes(count):
    assert 0 <= parse(memory(count)) - count < 2**20


@pytest.mark.parametrize(("count", "text"), [(2**30, "1Gi"), (3 * 2**29, "1536Mi"), (1, "1Mi"), (2**20 + 1, "2Mi")])
def test_the_shortest_unit_is_chosen(count, text):
    assert memory(count) == text
