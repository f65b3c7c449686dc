from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.documents import yaml
from framework.errors import DocumentError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["a", "on", "1", "null", "<<", "="]), DOCUMENTS))
def test_what_is_written_is_read_back(document: dict[str, object]) -> None:
    assert yaml.read(yaml.write(document)) == document


def test_what_is_there_twice_is_written_twice() -> None:
    shared = {"a": "1"}
    assert yaml.write({"x": shared, "y": shared}) == "x:\n  a: '1'\ny:\n  a: '1'\n"


@given(
    st.sampled_from(
        ["on", "no", "yes", "1e3", "12:30", "2024-01-01", "~", "", "0o17", "0x1f", "1_000", ".5", "<<", "true"]
    )
)
def test_a_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert yaml.read(yaml.write({"a": text})) == {"a": text}


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "a: on\nb: no\nc: 1e-3\nd: 2024-01-01\ne: 12:30\nf: 0o17\ng: 007\nh: .inf\ni: ~\nj:\nk: true\n"
    assert yaml.read(text) == {
        "a": "on",
        "b": "no",
        "c": 0.001,
        "d": "2024-01-01",
        "e": "12:30",
        "f": 15,
        "g": 7,
        "h": float("inf"),
        "i": None,
        "j": None,
        "k": True,
    }


def test_json_with_tabs_is_read() -> None:
    assert yaml.read('{\n\t"a": [1, null]\n}') == {"a": [1, None]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1, 2\nb: 3", "f.yaml:2:2: .*\n  b: 3\n   \\^"),
        ("a: 1\na: 2", "f.yaml:2:1: the key 'a' is there twice"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document"),
        ("\ta: 1", "f.yaml:1:1: "),
        ("1: 2", "f.yaml:1:1: the key 1 is no text"),
        ("a: &x [*x]", "nested too deeply, or its aliases"),
        ("a: !!python/object/apply:os.system [x]", "f.yaml:1:4: .*python/object"),
        ("a: !!timestamp 2024-01-01", "f.yaml:1:4: .*timestamp"),
        ("a: \x01", "f.yaml: the character 1 is not allowed"),
    ],
)
def test_an_error_has_the_place_and_shows_the_line(text: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem):
        yaml.read(text, source="f.yaml")


def test_aliases_that_stand_for_billions_are_refused() -> None:
    rows = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    rows += [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    with pytest.raises(DocumentError, match="aliases"):
        yaml.read("\n".join(rows))


def test_lines_are_told_by_path() -> None:
    assert yaml.lines("a:\n  b: 1\n  c:\n  - x\n  - y: 2\n")["$.a.c[1].y"] == 5


def test_json_that_is_indented_by_tabs_is_refused_as_any_other() -> None:
    from framework.documents.converters import read_yaml
    from framework.models import Function

    with pytest.raises(DocumentError, match="knid"):
        read_yaml('{\t"knid": "local"}', Function)
