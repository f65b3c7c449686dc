from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.documents import extras
from framework.documents.converters import dump, load, read_yaml, structure, to_json
from framework.errors import DocumentError
from framework.models import Function, Run
from framework.models.function import Code, FunctionSpec, Life, Retry, Storage, Volume

WRONG = """\
kind: local
metadata: {name: 3}
spec:
  image: x
  resorces: {}
  scale: {replicas: three}
  environment: {requirements: numpy}
  placement: {preemption: alow}
  storage: {volumes: [{name: a, mount: /x, typ: pvc}, {name: b}]}
  code: hello
"""


@pytest.mark.parametrize(
    "line",
    [
        '$.metadata.name (line 2): 3 is not text; put quotes around it: "3"',
        "$.spec.image (line 4): there is no field 'image'; did you mean 'environment.image'?",
        "$.spec.resorces (line 5): there is no field 'resorces'; did you mean 'resources'?",
        "$.spec.scale.replicas (line 6): 'three' is not a whole number",
        "$.spec.environment.requirements (line 7): 'numpy' is not a list; write [numpy]",
        (
            "$.spec.placement.preemption (line 8): 'alow' is not one of allow, constrain, prevent, none;"
            " did you mean 'allow'?"
        ),
        "$.spec.storage.volumes[0].typ (line 9): there is no field 'typ'; did you mean 'type'?",
        "$.spec.storage.volumes[1].mount: it is missing",
    ],
)
def test_every_error_of_a_document_is_told_at_once_with_its_place(line: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_yaml(WRONG, Function, source="f.yaml")
    assert line in [row.strip() for row in caught.value.message.splitlines()]


def test_many_errors_take_no_more_than_fifteen_lines() -> None:
    text = "spec:\n" + "".join(f"  wrong{number}: 1\n" for number in range(100))
    with pytest.raises(DocumentError) as caught:
        read_yaml(text, Function)
    assert len(caught.value.message.splitlines()) <= 14  # the advice is one more
    assert "88 more" in caught.value.message


@pytest.mark.parametrize("value", ["1", True, 1.5, None, [1]])
def test_no_value_is_bent_to_fit(value: object) -> None:
    with pytest.raises(DocumentError, match=r"\$\.spec\.life\.retry\.attempts: .* is not a whole number"):
        structure({"spec": {"life": {"retry": {"attempts": value}}}}, Function)


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_a_document_that_is_no_mapping_is_refused(document: object) -> None:
    with pytest.raises(DocumentError, match="is not a mapping"):
        structure(document, Function)


def test_a_union_of_scalars_takes_each_of_them() -> None:
    @attrs.define
    class Options:
        size: int | str | None = None

    assert structure({"size": 3}, Options).size == 3
    assert structure({"size": "3"}, Options).size == "3"
    assert structure({"size": None}, Options).size is None
    with pytest.raises(DocumentError, match="is not a whole number or text"):
        structure({"size": []}, Options)


def test_what_a_validator_of_an_options_class_says_is_told() -> None:
    @attrs.define
    class Options:
        workers: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    with pytest.raises(DocumentError, match=r"\$\.spec\.options.*must be >= 1"):
        structure({"workers": 0}, Options, at="$.spec.options")


def test_defaults_are_left_out_and_come_back() -> None:
    spec = FunctionSpec(life=Life(retry=Retry(attempts=3)), code=Code(handler="f"))
    assert dump(spec) == {"code": {"handler": "f"}, "life": {"retry": {"attempts": 3}}}
    assert load(dump(spec), FunctionSpec) == structure(dump(spec), FunctionSpec) == spec
    assert dump(Function()) == {}


def test_numbers_that_json_cannot_carry_come_back() -> None:
    params = {"big": 2**60, "nan": math.nan, "nested": [{"$int": "5"}]}
    document = json.loads(to_json(load({"metadata": {"uid": "u", "name": "n"}, "spec": {"params": {}}}, Run)))
    run = load(document, Run)
    run.spec.params = params
    run.status.metrics = {"loss": math.inf}
    again = load(json.loads(to_json(run)), Run)
    assert again.spec.params["big"] == 2**60
    assert math.isnan(again.spec.params["nan"])
    assert again.spec.params["nested"] == [{"$int": "5"}]
    assert again.status.metrics == {"loss": math.inf}


UNKNOWN = st.dictionaries(
    st.text("xyz", min_size=3, max_size=5),
    st.recursive(
        st.none() | st.integers(-5, 5) | st.just({"$new": 1}), lambda inner: st.lists(inner, max_size=2), max_leaves=4
    ),
    max_size=2,
)


@st.composite
def _newer(draw: Any) -> dict[str, Any]:
    """A document as a newer version may have written it: unknown keys at every level, an unknown word of a Literal."""
    volumes = [
        {"name": f"v{number}", "mount": f"/{number}", "type": "quantum", **draw(UNKNOWN)}
        for number in range(draw(st.integers(0, 3)))
    ]
    return {
        "kind": "job",
        "metadata": {"name": "a", **draw(UNKNOWN)},
        "spec": {
            "code": {"handler": "f", **draw(UNKNOWN)},
            "life": {"retry": {"attempts": 2, **draw(UNKNOWN)}, **draw(UNKNOWN)},
            "storage": {**({"volumes": volumes} if volumes else {}), **draw(UNKNOWN), "keep": 1},
            **draw(UNKNOWN),
        },
        **draw(UNKNOWN),
    }


@given(_newer())
def test_unknown_keys_survive_at_every_level(document: dict[str, Any]) -> None:
    assert dump(load(document, Function)) == document


@given(_newer())
def test_unknown_keys_survive_a_change_and_move_with_what_they_belong_to(document: dict[str, Any]) -> None:
    function = load(document, Function)
    function.metadata.labels["changed"] = "yes"
    function.spec.storage.volumes.reverse()
    expected = json.loads(json.dumps(document))
    expected["metadata"]["labels"] = {"changed": "yes"}
    if expected["spec"]["storage"].get("volumes"):
        expected["spec"]["storage"]["volumes"].reverse()
    assert dump(function) == expected


def test_an_object_that_equals_its_default_still_has_its_unknown_keys() -> None:
    document = {"spec": {"scale": {"future": 1}}}
    assert dump(load(document, Function)) == document


def test_unknown_keys_are_let_go_with_their_object() -> None:
    kept = len(extras._kept)
    function = load({"spec": {"future": 1}}, Function)
    assert len(extras._kept) == kept + 1
    del function
    gc.collect()
    assert len(extras._kept) == kept


def test_an_object_made_at_the_place_of_another_has_none_of_its_keys() -> None:
    for _ in range(200):
        load({"volumes": [{"name": "a", "mount": "/a", "future": 1}]}, Storage)
        assert "future" not in dump(Volume(name="a", mount="/a"))


def test_a_damaged_document_of_the_database_is_said() -> None:
    with pytest.raises(DocumentError, match="no Run"):
        load({"metadata": 3}, Run)


def test_a_value_without_a_json_form_is_named_by_its_path() -> None:
    function = Function()
    function.spec.options = {"a": [object()]}
    with pytest.raises(TypeError, match=r"\$\.spec\.options"):
        dump(function)


def test_dumping_and_hashing_need_no_cattrs() -> None:
    code = (
        "import sys; from framework.models import Function; from framework.documents.identity import version_of;"
        "from framework.documents.converters import dump; dump(Function()); version_of(Function());"
        "sys.exit('cattrs' in sys.modules or 'yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
