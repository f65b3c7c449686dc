from __future__ import annotations

import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.cli import text
from framework.errors import UsageError


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (None, "-"),
        (0.0124, "12 ms"),
        (0.9996, "1.0 s"),
        (2.34, "2.3 s"),
        (59.97, "1 min 0 s"),
        (125, "2 min 5 s"),
        (7260, "2 h 1 min"),
        (3 * 86400 + 7200, "3 d 2 h"),
        (-1, "0 ms"),
    ],
)
def test_a_duration_is_written_in_the_unit_that_fits(span, expected):
    assert text.duration(span) == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**40, "5.0 TiB")]
)
def test_a_size_is_written_in_binary_units(count, expected):
    assert text.size(count) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (True, "true"),
        (None, "null"),
        (0.1 + 0.2, "0.3"),
        (float("nan"), "nan"),
        ("plain", "plain"),
        ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        ([1, "a"], '[1, "a"]'),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_a_value_keeps_to_one_line(content, expected):
    assert text.value(content) == expected


@pytest.mark.parametrize(
    ("words", "expected"), [("90", 90), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400)]
)
def test_spans_of_time_are_read(words, expected):
    assert text.seconds(words) == expected


@pytest.mark.parametrize("words", ["", "soon", "5x", "-3", "1h later", "nan", "inf"])
def test_a_span_that_is_none_is_refused_with_the_mend(words):
    with pytest.raises(UsageError) as caught:
        text.seconds(words)
    assert repr(words) in caught.value.message
    assert "1h30m" in caught.value.advice


def test_a_point_in_time_is_an_age_or_an_iso_time():
    assert text.point_in_time("2h") == pytest.approx(time.time() - 7200, abs=5)
    assert text.point_in_time("2026-01-02T03:04:05Z") == 1767323045
    assert text.point_in_time("2026-01-02") == datetime(2026, 1, 2).astimezone().timestamp()
    with pytest.raises(UsageError, match="yesterday"):
        text.point_in_time("yesterday")


def test_a_sparkline_rises_with_its_values():
    assert text.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert text.sparkline([5, 5, 5]) == "▁▁▁"
    assert text.sparkline([]) == ""
    assert text.sparkline([float("nan"), 1.0]) == "▁"


@given(st.lists(st.floats(), max_size=200), st.integers(1, 40))
def test_a_sparkline_fits_whatever_the_values(values, width):
    assert len(text.sparkline(values, width)) <= width
