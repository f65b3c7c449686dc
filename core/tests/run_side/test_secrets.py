"""References become values where the run is, and errors name no value."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from framework_run import secrets
from framework_run.calling import params_of
from framework_run.errors import SecretError


def reference(store: str, key: str, target: str = "", **options: Any) -> dict[str, Any]:
    known = {"env": "framework_run.secrets:EnvironmentStore", "file": "framework_run.secrets:FileStore"}
    return {"store": store, "key": key, "target": target or known[store], "options": options}


class Failing(secrets.Store):
    def get(self, key: str) -> str:
        raise RuntimeError(f"the answer was {key}-value")


class Odd(secrets.Store):
    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, key: str) -> str:
        return self.value  # type: ignore[no-any-return]


def test_a_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", "value one")
    assert secrets.resolve({"TOKEN": reference("env", "THERE")}) == {"TOKEN": "value one"}


def test_a_file_and_a_line_of_it(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("whole\ncontent\n")
    assert secrets.resolve({"A": reference("file", str(path))}) == {"A": "whole\ncontent"}
    path.write_text("# A=no\nexport A = 'one two'\nB=\"x\"\nC=a=b\n")
    found = secrets.resolve({name: reference("file", f"{path}#{name}") for name in "ABC"})
    assert found == {"A": "one two", "B": "x", "C": "a=b"}


def test_a_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "it").write_text("value")
    assert secrets.resolve({"A": reference("file", "~/it")}) == {"A": "value"}


def test_what_a_backend_has_given_is_taken_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "given")
    assert secrets.resolve({"TOKEN": reference("kubernetes", "NAME/KEY", secrets.GIVEN)}) == {"TOKEN": "given"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (reference("env", "NOT_THERE"), "(env:NOT_THERE) is not there: the variable NOT_THERE is not set"),
        (reference("file", "/not/there"), "cannot be read: No such file"),
        (reference("file", "/dev/null"), "is empty"),
        (reference("file", "/dev/null#KEY"), "has no line KEY="),
        (reference("odd", "k", "framework_run.no_such_module:Store"), "failed with ModuleNotFoundError"),
        (reference("odd", "k", f"{__name__}:Odd", value=7), "no text that a variable can hold"),
        (reference("odd", "k", f"{__name__}:Odd", value="a\0b"), "no text that a variable can hold"),
        (reference("odd", "k", f"{__name__}:Failing"), "the store odd failed with RuntimeError"),
    ],
)
def test_a_secret_that_is_not_there_is_named(given: dict[str, Any], words: str, monkeypatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(SecretError) as raised:
        secrets.resolve({"TOKEN": given})
    assert raised.value.message.startswith("the secret TOKEN (")
    assert words in raised.value.message
    assert raised.value.advice
    assert raised.value.cause == "BadInput"
    assert "value" not in raised.value.message.replace("no text", "")


def test_placeholders_are_filled_once() -> None:
    known = {"A": "{secret:B}", "B": "b"}
    content = {"x": ["{secret:A}", 1, "y {secret:B}{secret:C}"], "{secret:A}": None}
    assert secrets.filled(content, known) == {"x": ["{secret:B}", 1, "y b{secret:C}"], "{secret:A}": None}


def test_the_handler_gets_values_where_the_submission_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    submission = {
        "code": {"command": ["echo", "{secret:A}"], "file": "x"},
        "params": {"p": "{secret:A}"},
        "env": {"E": "e{secret:A}", "A": "other"},
    }
    opened = secrets.opened(submission, {"A": "value"})
    assert opened["code"] == {"command": ["echo", "value"], "file": "x"}
    assert opened["params"] == {"p": "{secret:A}"}
    monkeypatch.setenv("A", "value")
    monkeypatch.setenv("B", "no secret")
    bound = params_of({"params": {"p": "{secret:A}{secret:B}"}, "secrets": {"A": {}}})
    assert bound == {"p": "value{secret:B}"}
    assert opened["env"] == {"E": "evalue", "A": "value"}
    assert "value" not in str(submission)


def test_the_environment_is_afterwards_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAS", "before")
    monkeypatch.delenv("WAS_NOT", raising=False)
    with contextlib.suppress(KeyError), secrets.in_environment({"WAS": "in", "WAS_NOT": "in"}):
        assert (os.environ["WAS"], os.environ["WAS_NOT"]) == ("in", "in")
        raise KeyError
    assert os.environ["WAS"] == "before"
    assert "WAS_NOT" not in os.environ
