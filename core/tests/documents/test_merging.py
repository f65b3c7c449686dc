from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from framework.documents.converters import dump, structure
from framework.documents.merging import merged
from framework.models import FunctionSpec

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3)
KEYS = st.sampled_from("abcd")
DOCUMENTS = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=8), max_size=4
)


def _leaves(document: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found = {}
    for key, value in document.items():
        found |= _leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key): value}
    return found


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@given(DOCUMENTS, DOCUMENTS)
def test_nothing_that_was_written_is_dropped(defaults: dict[str, Any], own: dict[str, Any]) -> None:
    result = merged(defaults, own)
    for path, value in _leaves(own).items():
        kept = _at(result, path)
        assert isinstance(kept, dict) if value == {} else kept == value


@given(DOCUMENTS)
def test_an_empty_document_changes_nothing(document: dict[str, Any]) -> None:
    assert merged({}, document) == document == merged(document, {})


@given(DOCUMENTS, DOCUMENTS)
def test_merging_again_changes_nothing(defaults: dict[str, Any], own: dict[str, Any]) -> None:
    once = merged(defaults, own)
    assert merged(defaults, once) == once
    assert merged(once, once) == once


@given(DOCUMENTS, DOCUMENTS)
def test_the_result_shares_nothing_with_its_sources(defaults: dict[str, Any], own: dict[str, Any]) -> None:
    before = copy.deepcopy((defaults, own))

    def spoil(value: Any) -> None:
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            spoil(item)
        if isinstance(value, (dict, list)):
            value.clear()

    spoil(merged(defaults, own))
    assert (defaults, own) == before


def test_lists_are_not_joined_and_null_is_a_value() -> None:
    defaults = {"requirements": ["a", "b"], "ttl": 3, "env": {"A": "1", "B": "2"}}
    own = {"requirements": ["c"], "ttl": None, "env": {"B": "3"}}
    assert merged(defaults, own) == {"requirements": ["c"], "ttl": None, "env": {"A": "1", "B": "3"}}


# The parts of a spec that somebody may write, some of them at their defaults.
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "scale": st.fixed_dictionaries({}, optional={"replicas": st.sampled_from([None, 1, 3])}),
        "life": st.fixed_dictionaries(
            {}, optional={"retry": st.fixed_dictionaries({}, optional={"attempts": st.integers(1, 3)})}
        ),
        "environment": st.fixed_dictionaries(
            {}, optional={"image": st.sampled_from(["", "python:3.12"]), "requirements": st.just([])}
        ),
        "placement": st.fixed_dictionaries({}, optional={"preemption": st.sampled_from([None, "none"])}),
    },
)


@given(SPECS, SPECS)
def test_a_default_of_the_project_never_replaces_what_was_written(
    defaults: dict[str, Any], own: dict[str, Any]
) -> None:
    function = structure(own, FunctionSpec)
    result = merged(defaults, dump(function, own))
    assert structure(result, FunctionSpec) == structure(merged(defaults, own), FunctionSpec)
    assert dump(structure(result, FunctionSpec), own).keys() >= own.keys()
    assert structure(dump(function, own), FunctionSpec) == function
