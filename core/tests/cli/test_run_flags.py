from __future__ import annotations

import click
import pytest

from framework.cli.run.flags import GIVEN, ParameterFlag, flags
from framework.models.function import EntryPoint, Parameter

ENTRY = EntryPoint(
    name="train",
    parameters=[
        Parameter(name="context", annotation="fw.Context", required=True),
        Parameter(name="data", required=True, doc="where the\n    table lies"),
        Parameter(name="learning_rate", annotation="float | None", default="None"),
        Parameter(name="depth", annotation="int", default="3"),
        Parameter(name="shuffle", annotation="bool", default="True"),
        Parameter(name="optimizer", annotation="Literal['adam', 'sgd']", default="'adam'"),
        Parameter(name="sizes", annotation="list[int]", default="(1, 2)"),
        Parameter(name="name", annotation="str", default="'x'"),
        Parameter(name="args", kind="var_positional"),
        Parameter(name="more", kind="var_keyword"),
    ],
)


def parsed(*words: str) -> dict[str, str]:
    made, _ = flags(ENTRY, {"--name"})
    context = click.Command("run", params=list(made)).make_context("run", list(words))
    return context.meta.get(GIVEN, {})


def records() -> dict[str, str]:
    made, _ = flags(ENTRY, {"--name"})
    context = click.Context(click.Command("run", params=list(made)))
    return dict(flag.get_help_record(context) for flag in made)


def test_only_what_is_given_is_passed_on_and_as_the_text_that_it_was():
    assert parsed() == {}
    assert parsed("--depth", "4", "--sizes", "[1, 2]") == {"depth": "4", "sizes": "[1, 2]"}
    assert parsed("--depth=-4") == {"depth": "-4"}


@pytest.mark.parametrize("spelling", ["--learning-rate", "--learning_rate"])
def test_both_spellings_of_a_name_are_taken(spelling):
    assert parsed(spelling, "0.1") == {"learning_rate": "0.1"}


def test_a_bool_is_a_switch():
    assert parsed("--shuffle") == {"shuffle": "true"}
    assert parsed("--no-shuffle") == {"shuffle": "false"}


def test_help_shows_type_default_and_doc():
    assert records() == {
        "--data VALUE": "where the table lies  [required]",
        "--learning-rate FLOAT": "[default: None]",
        "--depth INTEGER": "[default: 3]",
        "--shuffle / --no-shuffle": "[default: True]",
        "--optimizer [adam|sgd]": "[default: 'adam']",
        "--sizes list[int]": "[default: (1, 2)]",
    }


def test_a_name_that_the_command_has_itself_is_left_to_it():
    _, clashing = flags(ENTRY, {"--name"})
    assert [parameter.name for parameter in clashing] == ["name"]


def test_two_parameters_that_would_share_a_flag_do_not():
    entry = EntryPoint(name="f", parameters=[Parameter(name="a_b"), Parameter(name="no_a_b"), Parameter(name="c")])
    made, clashing = flags(entry, set())
    assert [flag.parameter.name for flag in made] == ["a_b", "c"]
    assert [parameter.name for parameter in clashing] == ["no_a_b"]


def test_a_parameter_of_any_name_can_have_a_flag():
    entry = EntryPoint(name="f", parameters=[Parameter(name="λ"), Parameter(name="__x")])
    made, _ = flags(entry, set())
    assert all(isinstance(flag, ParameterFlag) for flag in made)
    context = click.Command("run", params=list(made)).make_context("run", ["--λ", "1"])
    assert context.meta[GIVEN] == {"λ": "1"}
