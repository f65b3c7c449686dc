from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.documents.canonical import canonical
from framework.documents.converters import structure
from framework.documents.identity import components, diff, identity, version_of
from framework.errors import DocumentError
from framework.models import Function
from framework.plugins.registrations import NoOptions

VECTORS = sorted((Path(__file__).parent / "vectors").glob("*.json"))


def _shuffled(value: Any) -> Any:
    """The same document with its keys in another order."""
    if isinstance(value, dict):
        return {key: _shuffled(value[key]) for key in reversed(list(value))}
    return [_shuffled(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_golden_vector_keeps_its_version(path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    for document in (vector["function"], _shuffled(vector["function"])):
        function = structure(document, Function)
        assert canonical(identity(function)).decode() == vector["canonical"]
        assert version_of(function) == vector["version"]


def test_there_are_vectors_of_every_part() -> None:
    assert len(VECTORS) >= 5


_OTHER_PYTHON = """
import json, sys, typing
from pathlib import Path
import attrs
from framework.documents.identity import version_of
from framework.documents.numbers import decode
from framework.models import Function

def build(cls, value):
    if attrs.has(cls):
        hints = typing.get_type_hints(cls)
        return cls(**{key: build(hints[key], item) for key, item in value.items()})
    if typing.get_origin(cls) is list and attrs.has(typing.get_args(cls)[0]):
        return [build(typing.get_args(cls)[0], item) for item in value]
    return decode(value)

for path in sys.argv[1:]:
    vector = json.loads(Path(path).read_text("utf-8"))
    version = version_of(build(Function, vector["function"]))
    assert version == vector["version"], (path, version)
"""


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_other_pythons_have_the_same_versions(minor: int) -> None:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pythons = sorted((root / "versions").glob(f"3.{minor}.*/bin/python"))
    if not pythons:
        pytest.skip(f"no Python 3.{minor} of pyenv on this machine")
    # Of what is installed here only attrs is used, which is pure Python.
    packages = [str(Path(attrs.__file__).parents[1]), str(Path(__file__).parents[2] / "src")]
    ended = subprocess.run(
        [pythons[-1], "-c", _OTHER_PYTHON, *map(str, VECTORS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def _function(**spec: Any) -> Function:
    files = {"train.py": "sha256:" + "a" * 64}
    code = {"path": "/home/a/train.py", "files": files, "module": "train", "handler": "train"}
    return structure({"metadata": {"name": "train"}, "spec": {"code": code, **spec}}, Function)


def test_where_the_code_lies_and_what_it_is_called_do_not_enter() -> None:
    function = _function()
    other = _function()
    other.spec.code.path = "/elsewhere/train.py"
    other.spec.code.workdir = "/tmp"
    other.metadata.name = "another"
    other.metadata.project = "shop"
    other.metadata.labels = {"a": "b"}
    other.metadata.description = "text"
    other.status.tags = ["v1"]
    other.status.provenance = {"commit": "abc"}
    assert version_of(function) == version_of(other)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "job"),
        ("spec.code.handler", "other"),
        ("spec.code.module", "other"),
        ("spec.code.files", {"train.py": "sha256:" + "b" * 64}),
        ("spec.code.files", {"moved.py": "sha256:" + "a" * 64}),
        ("spec.code.command", ["make"]),
        ("spec.environment.image", "python:3.12"),
        ("spec.environment.env", {"A": "1"}),
        ("spec.resources.limits", {"memory": "1Gi"}),
        ("spec.life.retry.attempts", 2),
        ("spec.scale.replicas", 2),
        ("spec.options", {"a": 1}),
    ],
)
def test_what_is_run_and_how_enters_and_the_difference_is_told(path: str, value: Any) -> None:
    function, other = _function(), _function()
    *parents, name = path.split(".")
    place: Any = other
    for part in parents:
        place = getattr(place, part)
    setattr(place, name, value)
    assert version_of(function) != version_of(other)
    changed = [found for found, _, _ in diff(function, other)]
    assert changed
    assert all(found.startswith(path.removeprefix("spec.")) for found in changed)
    before, after = components(function), components(other)
    assert {key for key in before | after if before.get(key) != after.get(key)} == set(changed)


@attrs.define
class _Options:
    workers: int = 1


@attrs.define
class _NewerOptions:
    workers: int = 1
    queue: str = "default"


@given(st.integers(0, 5))
def test_a_plugin_that_gains_an_option_changes_no_version(workers: int) -> None:
    function = _function(options={"workers": workers})
    assert version_of(function, _Options) == version_of(function, _NewerOptions)


def test_an_option_at_its_default_is_as_if_it_were_not_said() -> None:
    assert version_of(_function(options={"workers": 1}), _Options) == version_of(_function(), _Options)


def test_options_without_their_plugin_enter_as_they_are() -> None:
    assert identity(_function(options={"workers": 1}))["spec"]["options"] == {"workers": 1}


def test_options_that_do_not_fit_are_refused_by_their_path() -> None:
    with pytest.raises(DocumentError, match=r"\$\.spec\.options\.worker: .* did you mean 'workers'"):
        version_of(_function(options={"worker": 1}), _Options)


def test_options_of_a_kind_that_has_none_are_refused_by_their_names() -> None:
    function = _function(options={"memory": "1GiB", "threads": 2})
    function.kind = "local"
    with pytest.raises(DocumentError, match=r"kind 'local' has no options of its own.*'memory', 'threads'") as caught:
        version_of(function, NoOptions)
    assert "-o" in caught.value.advice
    assert version_of(_function(), NoOptions) == version_of(_function())


def test_numbers_beyond_json_have_one_encoding_with_and_without_the_plugin() -> None:
    function = _function(options={"workers": 2**60})
    expected = {"workers": {"$int": str(2**60)}}
    assert identity(function)["spec"]["options"] == identity(function, _Options)["spec"]["options"] == expected


def test_what_has_no_canonical_form_is_said() -> None:
    function = _function()
    function.spec.environment.env = {"A": "\ud800"}
    with pytest.raises(DocumentError, match="'train' has no version"):
        version_of(function)


def test_no_difference_is_none() -> None:
    assert diff(_function(), _function()) == []
