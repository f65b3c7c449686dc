"""Parameters become arguments, or are refused with the signature shown."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from framework_run.binding import BindingError, bind, check
from framework_run.context import Context

if TYPE_CHECKING:
    from nowhere import Unknown


def plain(a: int, b: float = 2.0):
    return a, b


def every_kind(a: int, b: str = "b", /, c: int = 3, *args: int, d: bool, e: str = "e", **more: float):
    return a, b, c, args, d, e, more


def test_values_become_what_the_annotations_say():
    assert bind(plain, {"a": "3", "b": 4}, raw={"a"}) == ([], {"a": 3, "b": 4.0})


def test_every_kind_of_parameter_is_given():
    args, keywords = bind(every_kind, {"a": 1, "args": [7, 8], "d": "yes", "more": 1, "x": "2"}, raw={"d", "x"})
    assert every_kind(*args, **keywords) == (1, "b", 3, (7, 8), True, "e", {"more": 1.0, "x": 2.0})


def test_a_positional_only_default_before_a_given_one_is_filled_in():
    def function(a=1, b=2, /):
        return a, b

    args, keywords = bind(function, {"b": 5})
    assert function(*args, **keywords) == (1, 5)


def test_extra_arguments_of_a_command_line_are_split():
    def function(*files: str):
        return files

    args, keywords = bind(function, {"files": "a,b"}, raw={"files"})
    assert function(*args, **keywords) == ("a", "b")


def test_annotations_that_cannot_be_resolved_pass_and_spoil_no_other():
    def function(a: Unknown, b: int):
        return a, b

    assert bind(function, {"a": "x", "b": "2"}, raw={"b"}) == ([], {"a": "x", "b": 2})


def test_none_is_taken_where_it_is_the_default():
    def function(a: int = None):  # noqa: RUF013  as people write it
        return a

    assert bind(function, {"a": None}) == ([], {"a": None})
    assert bind(function, {"a": "none"}, raw={"a"}) == ([], {"a": None})


def test_the_context_is_given_to_who_asks_for_it():
    def by_name(context, a=1):
        return context

    def by_annotation(ctx: Context, a=1):
        return ctx

    def by_optional(run: Context | None = None):
        return run

    def not_asked(context: str = "x"):
        return context

    context = Context({}, None)
    assert bind(by_name, {}, context=context) == ([], {"context": context})
    assert bind(by_annotation, {}, context=context) == ([], {"ctx": context})
    assert bind(by_optional, {}, context=context) == ([], {"run": context})
    assert bind(not_asked, {}, context=context) == ([], {})


def test_inputs_are_given_as_paths():
    def function(a: str, b: Path, c, d="default"):
        return a, b, c, d

    inputs = {"a": "/x", "b": "/y", "c": "/z", "other": "/w"}
    assert bind(function, {}, inputs=inputs) == ([], {"a": "/x", "b": Path("/y"), "c": Path("/z")})


def test_an_input_for_a_parameter_that_is_no_path_is_refused():
    def function(data: int):
        return data

    with pytest.raises(BindingError, match="the parameter's annotation is no path"):
        bind(function, {}, inputs={"data": "/x"})


def test_decorated_functions_methods_partials_classes_and_objects_have_signatures():
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **keywords):
            return function(*args, **keywords)

        return wrapper

    class Model:
        def __init__(self, size: int):
            self.size = size

        def fit(self, steps: int):
            return steps

        def __call__(self, rate: float):
            return rate

    assert bind(decorate(plain), {"a": "1"}, raw={"a"}) == ([], {"a": 1})
    assert bind(Model(1).fit, {"steps": "1"}, raw={"steps"}) == ([], {"steps": 1})
    assert bind(functools.partial(plain, b=1.0), {"a": "1"}, raw={"a"}) == ([], {"a": 1})
    assert bind(Model, {"size": "1"}, raw={"size"}) == ([], {"size": 1})
    assert bind(Model(1), {"rate": 1}) == ([], {"rate": 1.0})


def test_a_callable_without_a_signature_is_given_everything():
    assert bind(dict, {"a": 1}) == ([], {"a": 1})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": 1, "bb": 2}, "there is no parameter 'bb' (did you mean 'b'?)"),
        ({"a": 1, "zzz": 2}, "there is no parameter 'zzz';"),
        ({}, "the parameter 'a' is missing"),
        ({"a": True}, "the parameter 'a' is wrong: True is not an int"),
    ],
)
def test_refusals_show_the_signature(params, message):
    with pytest.raises(BindingError) as caught:
        bind(plain, params)
    assert message in str(caught.value)
    assert "the signature is plain(a: 'int', b: 'float' = 2.0)" in str(caught.value)
    assert caught.value.advice
    assert "\n" not in str(caught.value)


def parameter(name: str, annotation: str = "", default: str = "", kind: str = "positional") -> dict[str, Any]:
    required = not default and kind in {"positional", "keyword"}
    return {"name": name, "annotation": annotation, "default": default, "kind": kind, "required": required}


@pytest.mark.parametrize(
    "annotation",
    [
        "int",
        "Optional[int]",
        "int | None",
        "typing.Union[int, str]",
        "'int'",
        "Annotated[int, 'doc']",
        "Color",
        "models.Model",
        "np.ndarray",
        "Literal[4, 5]",
        "Literal[Color.RED]",
        "Callable[[int], str]",
        "not an expression",
        "",
    ],
)
def test_the_static_check_takes_what_may_be_right(annotation):
    check([parameter("a", annotation)], {"a": 4}, set())


def test_the_static_check_takes_any_item_of_an_unknown_class():
    check([parameter("a", "list[Color]"), parameter("b", "dict[str, Model]")], {"a": "x,y", "b": {"k": 1}}, {"a"})


@pytest.mark.parametrize(
    ("annotation", "value", "raw"),
    [
        ("int", "four", True),
        ("int", True, False),
        ("Optional[int]", "x", True),
        ("list[int]", "1,x", True),
        ("dict[str, int]", "[]", True),
        ("Literal['a', 'b']", "c", True),
        ("int | float", "x", True),
        ("datetime.date", "x", True),
        ("tuple[int, int]", "1", True),
        ("Sequence[float]", "x", False),
    ],
)
def test_the_static_check_refuses_what_must_be_wrong(annotation, value, raw):
    with pytest.raises(BindingError, match="the parameter 'a' is wrong"):
        check([parameter("a", annotation)], {"a": value}, {"a"} if raw else set(), "train")


def test_the_static_check_knows_names_inputs_and_the_context():
    known = [
        parameter("context"),
        parameter("data", "Path"),
        parameter("a", "int", "1"),
        parameter("more", kind="keyword"),
    ]
    check(known, {"more": 1}, set(), "train", {"data": "/x"})
    with pytest.raises(BindingError) as caught:
        check(known, {"mor": 1}, set(), "train", ["data"])
    assert "there is no parameter 'mor' (did you mean 'more'?)" in str(caught.value)
    assert str(caught.value).endswith("the signature is train(context, data: Path, a: int = 1, *, more)")
    with pytest.raises(BindingError, match="'data' is missing"):
        check(known, {"more": 1}, set(), "train")


def test_the_static_check_leaves_keywords_to_who_takes_any():
    check([parameter("options", kind="var_keyword"), parameter("a", "int", "1")], {"x": "y"}, set())
