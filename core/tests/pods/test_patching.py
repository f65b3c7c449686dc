"""The last resort: a strategic merge patch or a JSON patch."""

from __future__ import annotations

import pytest

from framework.errors import UsageError
from framework.pods.patching import patched

JOB = {"spec": {"containers": [{"name": "run", "image": "a", "env": [{"name": "A", "value": "1"}]}], "x": {"y": 1}}}


def test_none_changes_nothing():
    assert patched(JOB, None) == JOB


def test_a_sidecar_is_added_and_the_container_is_merged_by_its_name():
    patch = {
        "spec": {"containers": [{"name": "proxy", "image": "p"}, {"name": "run", "env": [{"name": "B", "value": "2"}]}]}
    }
    found = patched(JOB, patch)["spec"]["containers"]
    assert [each["name"] for each in found] == ["run", "proxy"]
    assert found[0]["image"] == "a"
    assert found[0]["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert JOB["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


def test_null_deletes_and_directives_are_kept():
    assert patched(JOB, {"spec": {"x": None}})["spec"].get("x") is None
    assert patched(JOB, {"spec": {"x": {"$patch": "replace", "z": 2}}})["spec"]["x"] == {"z": 2}
    gone = patched(JOB, {"spec": {"containers": [{"name": "run", "$patch": "delete"}]}})
    assert gone["spec"]["containers"] == []


def test_a_json_patch_is_applied_in_order():
    patch = [
        {"op": "test", "path": "/spec/x/y", "value": 1},
        {"op": "replace", "path": "/spec/containers/0/image", "value": "b"},
        {"op": "add", "path": "/spec/containers/0/env/-", "value": {"name": "C"}},
        {"op": "add", "path": "/spec/a~1b", "value": 3},
        {"op": "remove", "path": "/spec/x"},
    ]
    found = patched(JOB, patch)
    assert found["spec"]["containers"][0] == {
        "name": "run",
        "image": "b",
        "env": [{"name": "A", "value": "1"}, {"name": "C"}],
    }
    assert found["spec"]["a/b"] == 3
    assert "x" not in found["spec"]


@pytest.mark.parametrize(
    "patch",
    [
        "text",
        [{"op": "replace", "path": "/spec/none", "value": 1}],
        [{"op": "test", "path": "/spec/x/y", "value": 2}],
        [{"op": "move", "path": "/spec/x", "from": "/spec/y"}],
        [{"path": "/spec/x"}],
        [3],
    ],
)
def test_what_does_not_fit_is_refused_by_name(patch):
    with pytest.raises(UsageError, match=r"spec\.options\.patch") as caught:
        patched(JOB, patch)
    assert caught.value.advice
