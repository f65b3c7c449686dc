from __future__ import annotations

from textwrap import dedent

import pytest

from framework.errors import SourceError
from framework.models.function import EntryPoint
from framework.sources import entry_points


def _one(source: str) -> EntryPoint:
    (point,) = entry_points(dedent(source))
    return point


def test_a_signature_is_read_as_it_is_written() -> None:
    point = _one("""
        async def train(
            a, /, b: int, c: "dict[str, int] | None" = None, *rest: str, d: float = 1e-3, e, **more
        ) -> list[int]: ...
    """)
    assert [(p.name, p.annotation, p.default, p.kind, p.required) for p in point.parameters] == [
        ("a", "", "", "positional", True),
        ("b", "int", "", "positional", True),
        ("c", '"dict[str, int] | None"', "None", "positional", False),
        ("rest", "str", "", "var_positional", False),
        ("d", "float", "1e-3", "keyword", False),
        ("e", "", "", "keyword", True),
        ("more", "", "", "var_keyword", False),
    ]
    assert (point.returns, point.is_async) == ("list[int]", True)


def test_text_beside_other_alphabets_is_cut_at_the_right_place() -> None:
    point = _one('def f(a: str = "größe €", b: int = 3): ...')
    assert [parameter.default for parameter in point.parameters] == ['"größe €"', "3"]


def test_an_annotation_over_several_lines_becomes_one() -> None:
    assert _one("def f(a: dict[\n    str,\n    int,\n]): ...").parameters[0].annotation == "dict[str, int]"


def test_only_public_functions_at_the_top_are_entry_points() -> None:
    source = """
        import os
        if os.name == "posix":
            def train(): ...
        else:
            def train(): ...
        try:
            def load(): ...
        except ImportError:
            pass
        class Model:
            def method(self): ...
        def _private(): ...
        @decorated(1)
        def outer():
            def inner(): ...
        if __name__ == "__main__":
            def script(): ...
    """
    assert [point.name for point in entry_points(dedent(source))] == ["train", "load", "outer"]


def test_of_overloads_the_implementation_counts() -> None:
    source = """
        @overload
        def f(a: int): ...
        @overload
        def f(a: str): ...
        def f(a, b=2): ...
    """
    assert [parameter.name for parameter in _one(source).parameters] == ["a", "b"]


GOOGLE = '''
def f(depth, rate, names, **options):
    """Train a model.

    It takes a while.

    Args:
        depth (int): How deep: the more,
            the slower.
        rate: How fast.
        names (list[str], optional): Of whom.
        **options: The rest.

    Returns:
        The model: good.

    Raises:
        ValueError: Never.
    """
'''
NUMPY = '''
def f(depth, rate, names, **options):
    """Train a model.

    It takes a while.

    Parameters
    ----------
    depth : int
        How deep: the more,
        the slower.
    rate
        How fast.
    names : list of str, optional
        Of whom.
    **options
        The rest.

    Returns
    -------
    model
        The model: good.
    """
'''
SPHINX = '''
def f(depth, rate, names, **options):
    """Train a model.

    It takes a while.

    :param int depth: How deep: the more,
        the slower.
    :param rate: How fast.
    :type rate: float
    :param list[str] names: Of whom.
    :param options: The rest.
    :returns: The model: good.
    """
'''


@pytest.mark.parametrize("source", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_what_a_docstring_says_of_parameters_is_read_in_every_style(source: str) -> None:
    point = _one(source)
    assert point.doc == "Train a model.\n\nIt takes a while."
    assert {parameter.name: parameter.doc for parameter in point.parameters} == {
        "depth": "How deep: the more, the slower.",
        "rate": "How fast.",
        "names": "Of whom.",
        "options": "The rest.",
    }


def test_several_parameters_of_numpy_share_a_text() -> None:
    point = _one(
        'def f(x, y):\n    """D.\n\n    Parameters\n    ----------\n    x, y : float\n        A point.\n    """'
    )
    assert [parameter.doc for parameter in point.parameters] == ["A point.", "A point."]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n    pass\n", "train.py:1:7: .*\n  def f\\(:\n        \\^"),
        ("x = 1\n  y = 2\n", "train.py:2:"),
        ("a = 'x\n", "train.py:1:5: .*\n  a = 'x\n      \\^"),
    ],
)
def test_a_syntax_error_has_the_place_and_a_caret(source: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        entry_points(source, name="train.py")


@pytest.mark.parametrize("source", ["x = 1\0", "(" * 100_000], ids=len)
def test_what_no_parser_takes_is_no_source(source: str) -> None:
    with pytest.raises(SourceError):
        entry_points(source)


def test_a_warning_of_the_compiler_is_left_to_the_run() -> None:
    assert _one('def f(a="\\d"): ...').parameters[0].default == '"\\d"'
