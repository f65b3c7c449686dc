"""What a pod and its container are given."""

from __future__ import annotations

import pytest

from framework.errors import UsageError
from framework.models.function import Volume
from framework.pods import parts


def test_what_looks_like_a_reference_of_kubernetes_stays_as_it_is():
    assert parts.variables({"A": "$(B) and $C"}) == [{"name": "A", "value": "$$(B) and $C"}]


def test_only_secrets_of_the_cluster_are_its_to_give():
    secrets = {"TOKEN": "kubernetes:keys/token", "OTHER": "env:OTHER"}
    (found,) = parts.secret_variables(secrets)
    assert found == {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}


@pytest.mark.parametrize("place", ["", "keys", "keys/", "/token"])
def test_a_secret_without_a_key_is_refused(place):
    with pytest.raises(UsageError, match=r"spec\.environment\.secrets\.TOKEN is 'kubernetes:.*', which names no key"):
        parts.secret_variables({"TOKEN": f"kubernetes:{place}"})


def test_the_runner_masks_what_the_cluster_has_given():
    other = {"store": "env", "key": "OTHER"}
    found = parts.given({"TOKEN": {"store": "kubernetes", "key": "keys/token"}, "OTHER": other})
    assert found["OTHER"] == other
    assert (found["TOKEN"]["store"], found["TOKEN"]["key"]) == ("kubernetes", "TOKEN")
    assert found["TOKEN"]["target"]


@pytest.mark.parametrize(
    ("requests", "limits", "found"),
    [
        ({}, {}, {}),
        ({"cpu": 0.5}, {"memory": "1Gi"}, {"requests": {"cpu": "0.5"}, "limits": {"memory": "1Gi"}}),
        ({"gpu": 2}, {}, {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}),
        ({"amd.com/gpu": 1}, {"amd.com/gpu": 2}, {"requests": {"amd.com/gpu": "1"}, "limits": {"amd.com/gpu": "2"}}),
    ],
)
def test_resources(requests, limits, found):
    assert parts.resources(requests, limits) == found


def test_a_volume_that_is_mounted_twice_is_one():
    volumes = [
        Volume(name="data", mount="/data", source="claim", read_only=True, sub_path="a"),
        Volume(name="data", mount="/more", source="claim"),
        Volume(name="scratch", mount="/scratch", type="empty_dir"),
        Volume(name="keys", mount="/keys", type="secret"),
        Volume(name="settings", mount="/settings", type="config_map", source="common"),
        Volume(name="node", mount="/node", type="host_path"),
    ]
    parts.check_volumes(volumes)
    first, second, *_ = parts.mounts(volumes)
    assert first == {"name": "data", "mountPath": "/data", "subPath": "a", "readOnly": True}
    assert second == {"name": "data", "mountPath": "/more"}
    assert parts.pod_volumes(volumes) == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "settings", "configMap": {"name": "common"}},
        {"name": "node", "hostPath": {"path": "/node"}},
    ]


def test_a_volume_without_a_place_in_the_pod_is_refused():
    with pytest.raises(UsageError, match="'data' is mounted at 'here', which is no path in a pod"):
        parts.check_volumes([Volume(name="data", mount="here")])
