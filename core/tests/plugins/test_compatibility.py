from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from framework.plugins.compatibility import allows, core_requirement

RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
CLAUSES = st.tuples(st.sampled_from([">=", "<=", "<", ">", "==", "!=", "~="]), RELEASES).filter(
    lambda clause: clause[0] != "~=" or "." in clause[1]
)
SUFFIXES = st.sampled_from(["", "", "a1", "rc2", ".post1", ".dev3", "+local"])


@given(clauses=st.lists(CLAUSES, max_size=3), release=RELEASES, suffix=SUFFIXES)
def test_a_version_is_allowed_exactly_when_packaging_says_so(clauses, release, suffix) -> None:
    specifier = ",".join(operator + version for operator, version in clauses)
    version = release + suffix
    assert allows(specifier, version) == SpecifierSet(specifier).contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("requirement", "specifier"),
    [
        ("framework-core>=0.1,<0.2", ">=0.1,<0.2"),
        ("framework-core (>=0.1)", ">=0.1"),
        ("framework_core >= 0.1", ">= 0.1"),
        ("Framework.Core~=0.1", "~=0.1"),
        ("framework-core", ""),
        ("framework-core[testing]>=0.1", ">=0.1"),
        ("framework-core>=0.1; python_version >= '3.8'", ">=0.1"),
        ("framework-core>=7; python_version < '3.8'", ""),
        ("framework-core[testing]>=7; extra == 'testing'", ""),
        ('framework-core>=7 ; extra == "testing"', ""),
        ("framework-core>=0.1; extra == 'x' or python_version >= '3.8'", ">=0.1"),
        ("framework-core @ file:///somewhere", ""),
        ("framework-core-extras>=7", ""),
        ("attrs>=24", ""),
    ],
)
def test_what_is_asked_of_the_core_is_read_from_each_form_of_a_requirement(requirement: str, specifier: str) -> None:
    assert core_requirement([requirement]) == specifier


def test_several_requirements_hold_together() -> None:
    asked = core_requirement(["framework-core>=0.1", "attrs", "framework-core<0.2"])
    assert asked == ">=0.1,<0.2"
    assert allows(asked, "0.1.5")
    assert not allows(asked, "0.2")


@pytest.mark.parametrize("text", ["framework-core>=", "framework-core=>1", "framework-core>=0.1; nonsense"])
def test_a_requirement_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"framework-core|Expected|Invalid"):
        core_requirement([text])
