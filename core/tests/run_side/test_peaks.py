"""What the kernel says of memory, in both versions of control groups."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from framework_run import limits, peaks

V1 = "9:name=systemd:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n"
V2 = "0::/kubepods/pod1\n"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine whose files are these."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(peaks, "_lines", lambda path: texts.get(path, "").splitlines())
    return texts


@pytest.mark.parametrize(
    ("groups", "path"),
    [
        (V1, "/sys/fs/cgroup/memory/docker/abc/memory.oom_control"),
        (V1, "/sys/fs/cgroup/memory/memory.oom_control"),  # inside of a container: its own group is the root
        (V2, "/sys/fs/cgroup/kubepods/pod1/memory.events"),
        ("0::/\n", "/sys/fs/cgroup/memory.events"),
        (V1, "/proc/vmstat"),
        ("", "/proc/vmstat"),
    ],
)
def test_the_kills_are_counted_wherever_the_kernel_counts_them(files: dict[str, str], groups: str, path: str) -> None:
    files["/proc/self/cgroup"] = groups
    assert peaks.oom_kills() == 0
    files[path] = "low 0\noom 5\noom_kill 3\n"
    assert peaks.oom_kills() == 3


def test_the_own_group_counts_before_the_machine(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = V2
    files["/sys/fs/cgroup/kubepods/pod1/memory.events"] = "oom_kill 0\n"
    files["/proc/vmstat"] = "oom_kill 9\n"
    assert peaks.oom_kills() == 0


@pytest.mark.parametrize(
    ("groups", "path", "text", "expected"),
    [
        (V2, "/sys/fs/cgroup/kubepods/pod1/memory.max", "1073741824\n", True),
        (V2, "/sys/fs/cgroup/kubepods/pod1/memory.max", "max\n", False),
        (V1, "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n", True),
        (V1, "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n", False),
        (V2, "/elsewhere", "1\n", False),
    ],
)
def test_a_limit_of_memory_is_seen(files: dict[str, str], groups: str, path: str, text: str, expected: Any) -> None:
    files["/proc/self/cgroup"] = groups
    files[path] = text
    assert peaks.limited("memory") is expected


@pytest.mark.parametrize(
    ("groups", "path", "text", "expected"),
    [
        (V2, "/sys/fs/cgroup/kubepods/pod1/cpu.max", "200000 100000\n", True),
        (V2, "/sys/fs/cgroup/kubepods/pod1/cpu.max", "max 100000\n", False),
        (V1, "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "200000\n", True),
        (V1, "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n", False),
    ],
)
def test_a_limit_of_processors_is_seen(files: dict[str, str], groups: str, path: str, text: str, expected: Any) -> None:
    files["/proc/self/cgroup"] = groups
    files[path] = text
    assert peaks.limited("cpu") is expected


def test_only_the_limits_that_nothing_enforces_are_named(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = V2
    files["/sys/fs/cgroup/kubepods/pod1/memory.max"] = "1073741824\n"
    assert limits.unenforced({}) == ""
    assert limits.unenforced(limited({"memory": "1Gi", "nvidia.com/gpu": 1})) == ""
    said = limits.unenforced(limited({"memory": "1Gi", "cpu": "2"}))
    assert said.startswith("Nothing enforces the limit cpu=2 here")


def limited(amounts: dict[str, Any]) -> dict[str, Any]:
    return {"resources": {"limits": amounts}}


def test_of_several_processes_memory_is_the_largest_and_time_the_sum() -> None:
    one = peaks.usage(resource.getrusage(resource.RUSAGE_SELF))
    assert one["memory"] > 1e6
    both = peaks.usage(resource.getrusage(resource.RUSAGE_SELF), {"memory": 1e15, "cpu": 100.0})
    assert both["memory"] == 1e15
    assert both["cpu"] >= 100.0 + one["cpu"]


def test_the_real_files_can_be_read() -> None:
    assert peaks._lines("/no/such/file") == []
    assert Path("/proc/self/cgroup").exists() == bool(peaks._lines("/proc/self/cgroup"))
    assert peaks.oom_kills() >= 0
