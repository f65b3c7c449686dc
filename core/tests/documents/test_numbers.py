from __future__ import annotations

import enum
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.documents.numbers import decode, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["$int", "$float", "$map", "$", "a"]) | st.text(), inner)
    ),
    max_leaves=20,
)


def _same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


@given(VALUES)
def test_what_is_encoded_survives_strict_json(value: object) -> None:
    assert _same(decode(json.loads(json.dumps(encode(value), allow_nan=False))), value)


@given(VALUES)
def test_every_integer_that_is_written_is_exact_in_any_reader_of_json(value: object) -> None:
    def exact(text: str) -> int:
        assert int(float(text)) == int(text)
        return int(text)

    json.loads(json.dumps(encode(value)), parse_int=exact)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (2**53 - 1, 9007199254740991),
        (2**53, {"$int": "9007199254740992"}),
        (-(2**53), {"$int": "-9007199254740992"}),
        (math.nan, {"$float": "nan"}),
        (math.inf, {"$float": "inf"}),
        (-math.inf, {"$float": "-inf"}),
        ({"$int": "1"}, {"$map": [["$int", "1"]]}),
        ({"$int": "1", "b": 2}, {"$int": "1", "b": 2}),
        ((1, 2), [1, 2]),
    ],
)
def test_the_encoding_is_the_one_of_the_architecture(value: object, encoded: object) -> None:
    assert encode(value) == encoded


def test_a_member_of_an_enum_of_text_is_its_value() -> None:
    class Colour(str, enum.Enum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3

    assert json.dumps(encode({"colour": Colour.RED, "level": Level.HIGH})) == '{"colour": "red", "level": 3}'


@pytest.mark.parametrize("value", [{1}, b"bytes", object(), {1: "a"}, {"a": [complex(1)]}])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


def test_a_list_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(TypeError, match="contains itself"):
        encode(value)


@pytest.mark.parametrize("value", [{"$int": 3}, {"$int": "x"}, {"$float": "1.5"}, {"$map": {}}, {"$map": [[1]]}])
def test_an_encoding_that_nothing_writes_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no encoded number"):
        decode(value)


def test_an_integer_that_python_will_not_write_is_refused_with_its_size() -> None:
    with pytest.raises(TypeError, match="16,610 bits"):
        encode(10**5000)
