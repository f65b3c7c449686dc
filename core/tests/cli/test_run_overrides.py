from __future__ import annotations

import pytest

from framework.cli.run.overrides import overrides, parameters_of_file
from framework.errors import UsageError


def test_no_flag_changes_nothing():
    assert overrides() == {}


def test_every_flag_has_its_place_in_the_spec():
    assert overrides(
        image="python:3.12",
        requests=["cpu=500m", "memory=2Gi"],
        limits=["nvidia.com/gpu=1"],
        env=["A=1", "B=x=y"],
        requirements=["numpy>=2", "rich"],
        workdir="/srv",
        settings=["spec.life.retry.attempts=3", "placement.node_selector={disk: ssd}"],
        options=["gpus=[0, 1]", "nested.key=text"],
    ) == {
        "life": {"retry": {"attempts": 3}},
        "placement": {"node_selector": {"disk": "ssd"}},
        "options": {"gpus": [0, 1], "nested": {"key": "text"}},
        "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"nvidia.com/gpu": 1}},
        "environment": {
            "env": {"A": "1", "B": "x=y"},
            "image": "python:3.12",
            "requirements": ["numpy>=2", "rich"],
        },
        "code": {"workdir": "/srv"},
    }


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"env": ["A"]}, "--env 'A' is not key=value"),
        ({"settings": ["a..b=1"]}, "empty step"),
        ({"settings": ["a=1", "a.b=2"]}, "'a' is set to a value and to a mapping"),
        ({"settings": ["a=[1"]}, "is not YAML"),
        ({"options": ["=1"]}, "-o '=1' is not key=value"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(flags, said):
    with pytest.raises(UsageError) as caught:
        overrides(**flags)
    assert said in caught.value.message
    assert caught.value.advice


def test_parameters_come_from_yaml_or_json(tmp_path):
    (tmp_path / "a.yaml").write_text("depth: 4\nsizes: [1, 2]\n")
    (tmp_path / "b.json").write_text('{"depth": 4, "sizes": [1, 2]}')
    expected = {"depth": 4, "sizes": [1, 2]}
    assert parameters_of_file(str(tmp_path / "a.yaml")) == parameters_of_file(str(tmp_path / "b.json")) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a: [1", "line"), (b"- 1", "no mapping"), (b"1: 2", "no mapping"), (b"\xff\xfe\xfd", "decode")],
)
def test_a_file_that_gives_no_parameters_is_refused(content, said, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        parameters_of_file(str(path))
    assert str(path) in caught.value.message
    assert said in caught.value.message


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        parameters_of_file(str(tmp_path / "none.yaml"))
