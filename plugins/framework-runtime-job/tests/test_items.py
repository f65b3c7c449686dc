"""What items of a map have of their own reaches each pod, and sets of indexes are written as Kubernetes does."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.errors import UsageError
from framework.testing.running import submission
from framework_runtime_job import indexes, items

SHOW = "import json, sys\nprint(json.dumps(json.load(open(sys.argv[1]))))"


def _items(params):
    return [submission("job", "def main(): pass", params=each) for each in params]


def _noise(size):
    """Text that does not compress."""
    return base64.b64encode(random.Random(1).randbytes(size)).decode()


@given(st.sets(st.integers(0, 200)))
def test_sets_of_indexes_come_back(numbers):
    assert indexes.parse(indexes.write(numbers)) == numbers


def test_sets_of_indexes_are_written_as_kubernetes_does():
    assert indexes.write([7, 1, 2, 3, 5]) == "1-3,5,7"
    assert indexes.write([]) == ""


def _picked(folder, index):
    """What the pod of an index gives the runner; the runner here only shows it."""
    words = [sys.executable, "-c", items.PICK, *map(str, (folder / "runner.py", folder / "common"))]
    words += [str(folder / "items"), str(folder / "own.json")]
    env = {**os.environ, "JOB_COMPLETION_INDEX": str(index)}
    ended = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(ended.stdout)


def test_each_pod_finds_its_own(tmp_path):
    given = _items([{"n": n, "noise": _noise(200_000) if n in (3, 5, 6) else ""} for n in range(9)])
    packed = items.packets(given)
    assert len(packed) > 1
    assert all(len(each) <= items.LARGEST for each in packed.values())
    (tmp_path / "runner.py").write_text(SHOW)
    common = {"run": {"uid": "parent", "name": "job"}, "params": {}, "token": "t"}
    (tmp_path / "common").write_text(json.dumps(common))
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "..data").mkdir()  # as a mounted Secret has
    for first, data in packed.items():
        (tmp_path / "items" / str(first)).write_bytes(data)
    for index in (0, 3, 5, 8):
        own = given[index].document
        found = _picked(tmp_path, index)
        assert found == {**common, "run": {"uid": own["run"]["uid"], "name": "job"}, "params": own["params"]}


def test_packets_have_all_in_order():
    given = _items([{"n": n} for n in range(50)])
    assert list(items.packets(given)) == [0]


def test_an_item_that_is_too_large_is_named():
    with pytest.raises(UsageError, match="the parameters of item 2 take"):
        items.packets(_items([{"n": 1}, {"n": _noise(900_000)}]))


def test_items_that_are_too_much_together_are_refused():
    with pytest.raises(UsageError, match="the parameters of the items take more"):
        items.packets(_items([{"n": n, "noise": _noise(350_000)} for n in range(20)]))
