from __future__ import annotations

import pytest

from framework.cli.progress import bar, share_of, told


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ({}, ""),
        ({"done": 3}, "3"),
        ({"done": 3, "unit": "rows", "text": "load\x1b"}, "3 rows, load\\x1b"),
        ({"done": 42, "total": 100, "unit": "rows", "rate": 9.94}, "42/100 rows (42 %), 9.94 rows/s, 5.8 s left"),
        ({"done": 1, "total": 3, "rate": 0.01, "text": "epoch"}, "1/3 (33 %), 1 min 40 s each, 3 min 20 s left, epoch"),
        ({"done": 100, "total": 100, "rate": 50}, "100/100 (100 %), 50/s"),
        ({"done": 5, "total": 0}, "5"),
        ({"done": {"$float": "nan"}, "total": 3}, "nan/3"),
        ({"done": "some", "total": "many"}, "some/many"),
        ({"done": 7, "total": 5}, "7/5 (100 %)"),
    ],
)
def test_progress_in_words(progress, text):
    assert told(progress) == text


def test_a_bar():
    assert (bar(0.0, 4), bar(0.5, 4), bar(1.0, 4)) == ("░░░░", "██░░", "████")
    assert share_of({"done": True, "total": 2}) is None
