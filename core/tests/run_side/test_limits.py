"""Limits without a control group: memory of each process, and what is said."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from framework_run import cgroups, limits

HELD = """
from framework_run import limits
submission = {"run": {"uid": "0198"}, "resources": {"enforce": True, "limits": LIMITS}}
print(limits.settle(submission, None), end="")
try:
    bytearray(1 << 30)
except MemoryError:
    print("refused")
"""


def submission(amounts: dict[str, Any], *, enforce: bool = True) -> dict[str, Any]:
    return {"run": {"uid": "0198", "attempt": 2}, "resources": {"enforce": enforce, "limits": amounts}}


def alone(amounts: dict[str, Any]) -> str:
    words = [sys.executable, "-c", HELD.replace("LIMITS", repr(amounts))]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mappings on Linux")
def test_without_a_group_memory_holds_for_each_process_and_it_is_said():
    said = alone({"memory": "512Mi"})
    assert said == ("The limit memory=512Mi holds for each process alone: no control group can be made.\nrefused\n")


def test_without_a_group_cpu_is_not_kept_and_it_is_said():
    said = alone({"cpu": "500m"})
    assert said == "Nothing enforces the limit cpu=500m here: this process has no control group that does.\n"


def test_nothing_is_said_or_done_where_nothing_is_asked():
    assert alone({}) == ""
    assert alone({"nvidia.com/gpu": 1}) == ""


def test_a_group_is_made_only_where_the_runner_is_to_keep_limits(monkeypatch):
    made = []
    monkeypatch.setattr(cgroups, "create", lambda name, amounts: made.append((name, amounts)))
    limits.group(submission({"memory": "1Gi", "nvidia.com/gpu": 1}))
    limits.group(submission({"memory": "1Gi"}, enforce=False))
    limits.group(submission({"nvidia.com/gpu": 1}))
    limits.group({"run": {"uid": "0198"}})
    assert made == [("0198.2.0", {"memory": 2**30})]


def test_a_group_that_cannot_be_joined_is_as_none(tmp_path):
    group = cgroups.Group({"cpu": str(tmp_path / "gone")}, 2)
    assert "cpu=1" in limits.settle(submission({"cpu": 1}), group)


def test_who_keeps_limits_itself_does_not_ask_a_backend(monkeypatch):
    monkeypatch.setattr(limits.peaks, "limited", lambda _name: False)
    assert limits.unenforced(submission({"memory": "1Gi"})) == ""
    assert "memory=1Gi" in limits.unenforced(submission({"memory": "1Gi"}, enforce=False))
