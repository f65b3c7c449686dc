"""JSON text: what either library writes, the standard library reads as well, and nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework_db_sql.jsontext import dumps, loads

# Every code point, lone surrogates included, which an artifact's name or an error's message may hold.
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=20)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
DOCUMENTS = st.recursive(
    SCALARS, lambda part: st.one_of(st.lists(part), st.dictionaries(TEXTS, part, max_size=4)), max_leaves=20
)


@given(DOCUMENTS)
def test_a_document_comes_back_as_it_was(content: Any) -> None:
    text = dumps(content)
    assert loads(text) == content
    assert json.loads(text) == content


@pytest.mark.parametrize("content", ["\udcff", {"\ud800": [1]}, ["a\0b", "☃"]])
def test_any_text_is_carried(content: object) -> None:
    assert loads(dumps(content)) == content


@pytest.mark.parametrize("content", [object(), {"a": {1, 2}}])
def test_what_has_no_json_form_is_refused(content: object) -> None:
    with pytest.raises(TypeError):
        dumps(content)


@pytest.mark.parametrize("text", ["", "{", "nothing"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        loads(text)
