from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from framework.cli.tables import Cell, Column, render, width

NAMES = [Column("name", flexible=True), Column("n", right=True)]


def test_columns_are_aligned_and_numbers_end_together():
    table = render(NAMES, [["a", "1"], ["longer", "100"]])
    assert click.unstyle(table).splitlines() == ["NAME      N", "a         1", "longer  100"]


def test_wide_characters_count_as_two_columns():
    lines = click.unstyle(render(NAMES, [["日本", "1"], ["abcd", "2"]])).splitlines()
    assert lines[1:] == ["日本  1", "abcd  2"]


def test_control_characters_cannot_break_a_row():
    table = click.unstyle(render(NAMES, [["a\nb\x1b[2J", "1"]]))
    assert table.splitlines()[1] == "a\\nb\\x1b[2J  1"


def test_colours_do_not_count():
    table = render(NAMES, [[Cell("ok", "green"), "1"], ["long", "2"]])
    assert "\x1b[32mok\x1b[0m" in table
    assert click.unstyle(table).splitlines()[1] == "ok    1"


@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=5)), max_size=5), st.integers(20, 100))
def test_a_table_with_a_flexible_column_fits_the_terminal(rows, limit):
    table = click.unstyle(render(NAMES, rows, limit))
    fixed = max([1, *(width(row.rsplit("  ", 1)[-1]) for row in table.split("\n"))])
    assert all(width(line) <= max(limit, 8 + 2 + fixed) for line in table.split("\n"))
