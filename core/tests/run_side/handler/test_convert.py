"""Values become what the annotations say, or are refused."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import pathlib
import sys
import typing
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_run.convert import ConversionError, convert


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    x: int
    y: float = 0.0
    tags: list[str] = field(default_factory=list)
    inner: Optional[Point] = None  # noqa: UP045  resolved by name, in the class itself


class Size(NamedTuple):
    width: int
    height: int = 1


class Options(TypedDict):
    rate: float
    steps: typing.NotRequired[int] if sys.version_info >= (3, 11) else int


# The first text that is drawn builds hypothesis' tables of Unicode, which takes seconds.

SCALARS = {
    int: st.integers(),
    float: st.floats(allow_nan=False),
    str: st.text(),
    bool: st.booleans(),
    decimal.Decimal: st.decimals(allow_nan=False),
    uuid.UUID: st.uuids(),
    dt.datetime: st.datetimes(timezones=st.sampled_from([None, dt.timezone.utc])),
    dt.date: st.dates(),
    dt.time: st.times(),
    dt.timedelta: st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=10_000)),
    pathlib.PurePosixPath: st.text("abc/.", min_size=1).map(pathlib.PurePosixPath),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Literal["a", 1, True]: st.sampled_from(["a", 1, True]),
}


def _json(value: Any) -> Any:
    """What a value looks like in a submission."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID, dt.timedelta, pathlib.PurePath)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_json(item) for item in value]
    return value


def _containers(inner):
    annotation, values = inner
    made = [
        (list[annotation], st.lists(values, max_size=4)),
        (tuple[annotation, ...], st.lists(values, max_size=4).map(tuple)),
        (tuple[annotation, int], st.tuples(values, st.integers())),
        (dict[str, annotation], st.dictionaries(st.text(), values, max_size=4)),
        (dict[int, annotation], st.dictionaries(st.integers(), values, max_size=4)),
        (Optional[annotation], st.none() | values),  # noqa: UP045  of any annotation
    ]
    if annotation in SCALARS:
        made.append((set[annotation], st.sets(values, max_size=4)))
        made.append((frozenset[annotation], st.frozensets(values, max_size=4)))
    return st.sampled_from(made)


annotated = st.recursive(st.sampled_from(list(SCALARS.items())), lambda inner: inner.flatmap(_containers), max_leaves=4)


@st.composite
def annotations_and_values(draw):
    annotation, values = draw(annotated)
    return annotation, draw(values)


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left == right


@given(annotations_and_values())
def test_a_value_comes_back_from_its_json_form(pair):
    annotation, value = pair
    assert _same(convert(json.loads(json.dumps(_json(value))), annotation), value)


@given(annotations_and_values())
def test_a_value_that_is_right_already_stays_the_same(pair):
    annotation, value = pair
    assert _same(convert(value, annotation), value)


@given(st.sampled_from(list(SCALARS.items())).flatmap(lambda item: st.tuples(st.just(item[0]), item[1])))
def test_a_scalar_comes_back_from_text(pair):
    annotation, value = pair
    text = str(_json(value))
    assert _same(convert(text, annotation, raw=True), value)


@given(annotations_and_values())
def test_a_container_comes_back_from_json_text(pair):
    annotation, value = pair
    if typing.get_origin(annotation) in (list, tuple, dict, set, frozenset):
        assert _same(convert(json.dumps(_json(value)), annotation, raw=True), value)


@pytest.mark.parametrize(
    ("value", "annotation", "made"),
    [
        (1, float, 1.0),
        (1, int | float, 1),
        (1, float | int, 1),
        (1.5, int | float, 1.5),
        (1, float | None, 1.0),
        (1, Optional[float], 1.0),  # noqa: UP045  the older spelling
        (1, Union[int, float], 1),  # noqa: UP007  likewise
        ([1, 2], tuple, (1, 2)),
        ([1, 2], Sequence[int], [1, 2]),
        (range(3), Iterable[int], range(3)),
        ([1, 1], set[int], {1}),
        ({"1": 2}, dict[int, float], {1: 2.0}),
        ({1: 2}, dict[int, int], {1: 2}),
        ("RED", Color, Color.RED),
        ("red", Color, Color.RED),
        (2, Level, Level.HIGH),
        ("2026-01-31T12:00:00Z", dt.datetime, dt.datetime(2026, 1, 31, 12, tzinfo=dt.timezone.utc)),
        ("2026-01-31", dt.datetime, dt.datetime(2026, 1, 31)),  # noqa: DTZ001  none was given
        (90, dt.timedelta, dt.timedelta(seconds=90)),
        ("1h30m", dt.timedelta, dt.timedelta(minutes=90)),
        ("2.5", decimal.Decimal, decimal.Decimal("2.5")),
        (0.1, decimal.Decimal, decimal.Decimal("0.1")),
        ("/x", pathlib.Path, pathlib.Path("/x")),
        ("x", Annotated[str, "doc"], "x"),
        (3, NewType("Count", int), 3),
        (3, TypeVar("T", bound=int), 3),
        (3, Any, 3),
        ({"a": 1}, object, {"a": 1}),
        ({"x": 1, "inner": {"x": 2}}, Point, Point(1, inner=Point(2))),
        ([3, 4], Size, Size(3, 4)),
        ({"width": 3}, Size, Size(3)),
        ({"rate": 1, "steps": 2}, Options, {"rate": 1.0, "steps": 2}),
        ([{"x": 1}], list[Point], [Point(1)]),
        ("ab", bytes, b"ab"),
        (None, None, None),
    ],
)
def test_values(value, annotation, made):
    found = convert(value, type(None) if annotation is None else annotation)
    assert _same(found, made)


@pytest.mark.parametrize(
    ("text", "annotation", "made"),
    [
        ("true", bool, True),
        ("No", bool, False),
        ("1,2, 3", list[int], [1, 2, 3]),
        ("[1, 2]", list[int], [1, 2]),
        ("", list[int], []),
        ("a,b", list[str], ["a", "b"]),
        ("1,x", tuple[int, str], (1, "x")),
        ("1,2", set[int], {1, 2}),
        ('{"a": 1}', dict[str, float], {"a": 1.0}),
        ("none", int | None, None),
        ("null", str | None, None),
        ("", int | None, None),
        ("", str | None, ""),
        ("5", int | None, 5),
        ("1", bool | int, 1),
        ("yes", bool | int, True),
        ("a,b", str | list[str], "a,b"),
        ('["a"]', str | list[str], ["a"]),
        ("auto", int | Literal["auto"], "auto"),
        ("2", Literal[1, 2], 2),
        ("true", Literal[True, "x"], True),
        ("nan", str, "nan"),
        ("1e3", float, 1000.0),
        ("1", Any, 1),
        ("1.5", Any, 1.5),
        ("true", Any, True),
        ("null", Any, None),
        ("abc", Any, "abc"),
        ("[1]", Any, "[1]"),
        ("NaN", Any, "NaN"),
        ("1", str, "1"),
        ("HIGH", Level, Level.HIGH),
        ("2", Level, Level.HIGH),
        ('{"x": 1}', Point, Point(1)),
        ("1,2", list, [1, 2]),
    ],
)
def test_text_from_a_command_line(text, annotation, made):
    assert _same(convert(text, annotation, raw=True), made)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (True, int, "True is not an int"),
        (1.0, int, "1.0 is not an int"),
        ("1", int, "'1' is not an int"),
        (True, float, "True is not a float"),
        (10**400, float, "is not a float"),
        (1, bool, "1 is not a bool"),
        (1, str, "1 is not a str"),
        ("ab", list[str], "'ab' is not a list"),
        ([1, "x"], list[int], "item 1: 'x' is not an int"),
        ({"a": "x"}, dict[str, int], "key 'a': 'x' is not an int"),
        ({"a": 1}, dict[int, int], "key 'a': 'a' is not an int"),
        ([1], tuple[int, int], "1 items, not 2"),
        ([[1]], set[list[int]], "is not a set"),
        (None, int, "None is not an int"),
        ("gren", Color, "'gren' is none of RED, BLUE"),
        ("redd", Literal["red", "blue"], "Did you mean 'red'?"),
        (True, Literal[1], "True is none of 1"),
        (True, Level, "True is none of LOW, HIGH"),
        ("x", int | float, "'x' is none of int | float"),
        ("tomorrow", dt.date, "'tomorrow' is not a date (such as 2026-01-31)"),
        (5, dt.datetime, "5 is not a datetime"),
        ("x", uuid.UUID, "'x' is not"),
        ({"x": 1, "z": 2}, Point, "Point has no field 'z'"),
        ({"y": 1}, Point, "Point needs the field 'x'"),
        ({"x": "a"}, Point, "field x: 'a' is not an int"),
        ({"steps": 2}, Options, "Options needs the field 'rate'"),
        ([1, 2, 3], Size, "3 items, Size 2"),
        ({1, 2}, dict, "is not a dict"),
    ],
)
def test_refusals_name_the_place_the_value_and_the_type(value, annotation, message):
    with pytest.raises(ConversionError) as caught:
        convert(value, annotation)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "annotation"),
    [
        ("1.0", int),
        ("x", float),
        ("2", bool),
        ("[1", list[int]),
        ("{", dict),
        ("3", Literal[1, 2]),
        ("x", int | None),
    ],
)
def test_text_that_does_not_parse_is_refused(text, annotation):
    with pytest.raises(ConversionError):
        convert(text, annotation, raw=True)


def test_a_list_in_which_nothing_changes_is_the_same_list():
    items = [1, 2]
    assert convert(items, list[int]) is items


def test_a_live_object_of_an_unknown_class_passes():
    class Anything:
        pass

    made = Anything()
    assert convert(made, Anything) is made
    assert convert("x", Anything) == "x"


def test_a_class_that_refuses_its_fields_says_why():
    @dataclass
    class Positive:
        number: int

        def __post_init__(self):
            if self.number < 0:
                raise ValueError("number is negative")

    with pytest.raises(ConversionError, match="Positive: number is negative"):
        convert({"number": -1}, Positive)


def test_long_values_are_shortened_in_messages():
    with pytest.raises(ConversionError) as caught:
        convert("x" * 10_000, int)
    assert len(str(caught.value)) < 120


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type aliases are of Python 3.12")
def test_type_aliases_are_followed():
    scope: dict[str, Any] = {}
    exec("type Count = list[int]", scope)
    assert convert("1,2", scope["Count"], raw=True) == [1, 2]
