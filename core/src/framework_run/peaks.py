"""What a run has used at most, and what the kernel says of memory."""

from __future__ import annotations

import sys
from typing import Any

Usage = dict[str, float]


def usage(rusage: Any, before: Usage | None = None) -> Usage:
    """Peak memory in bytes (of the largest process) and CPU time in seconds (of all).

    Args:
        rusage: As from ``os.wait4``: of one process and those of its children that it waited for. The handler's begins
            with the fork of the small supervisor, so nothing is inherited from the client.
        before: What others of the same run have used.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB on Linux: getrusage(2)
    before = before or {"memory": 0, "cpu": 0.0}
    return {
        "memory": max(before["memory"], rusage.ru_maxrss * unit),
        "cpu": round(before["cpu"] + rusage.ru_utime + rusage.ru_stime, 6),
    }


def oom_kills() -> int:
    """How often the kernel has killed for memory in this process's control group; without one, on this machine.

    Only a rise between two calls means something. 0 where the kernel does not say.
    """
    for path in _counters():
        for line in _lines(path):
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def limited(controller: str) -> bool:
    """Whether this process's control group has a limit of ``memory`` or ``cpu``."""
    names = {"memory": ("memory.max", "memory.limit_in_bytes"), "cpu": ("cpu.max", "cpu.cfs_quota_us")}[controller]
    for folder in _groups(controller):
        for name in names:
            for line in _lines(f"{folder}/{name}"):
                value = line.split()[0]
                # No limit is "max" in version 2; in version 1 it is -1, or 2^63 rounded down to a page.
                return value.isdigit() and int(value) < 1 << 62
    return False


def _counters() -> list[str]:
    names = ("memory.events", "memory.oom_control")
    return [f"{folder}/{name}" for folder in _groups("memory") for name in names] + ["/proc/vmstat"]


def _groups(controller: str) -> list[str]:
    """The folders that may describe this process's group, the likeliest first: cgroups(7)."""
    found = []
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for root in (f"/sys/fs/cgroup/{controller}",) if controllers else ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            found += [
                f"{root}{path}".rstrip("/"),
                root,
            ]  # a container without a namespace sees its own group at the root
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123  pathlib is slow to import on the run side
            return stream.read().splitlines()
    except OSError:
        return []
