from __future__ import annotations

import pytest

from framework.cli.run.values import read
from framework.models.function import EntryPoint, Parameter


@pytest.mark.parametrize(
    ("annotation", "text", "value", "is_raw"),
    [
        ("int", "4", 4, False),
        ("float", "4", 4.0, False),
        ("bool", "yes", True, False),
        ("str", "4", "4", False),
        ("int | None", "none", None, False),
        ("list[int]", "[1, 2]", [1, 2], False),
        ("", "4", 4, False),
        ("", "text", "text", False),
        ("int", "many", "many", True),  # refused by the planner, with the signature
        ("Path", "a/b", "a/b", True),  # no JSON value
        ("Color", "4", "4", True),  # a class of the user's own: read in the run
    ],
)
def test_text_is_read_as_far_as_the_signature_tells(annotation, text, value, is_raw):
    entry = EntryPoint(name="f", parameters=[Parameter(name="p", annotation=annotation)])
    values, raw = read(entry, {"p": text})
    assert values == {"p": value}
    assert type(values["p"]) is type(value)
    assert raw == (["p"] if is_raw else [])


def test_without_a_signature_everything_stays_text():
    assert read(None, {"p": "4"}) == ({"p": "4"}, ["p"])
    assert read(EntryPoint(name="f"), {"p": "4"}) == ({"p": "4"}, ["p"])
