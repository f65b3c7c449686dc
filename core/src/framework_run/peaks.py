"""What a run has used at most, and what the kernel says of memory."""

from __future__ import annotations

import sys
from typing import Any


def usage(rusage: Any) -> dict[str, float]:
    """Peak memory in bytes and CPU time in seconds.

    Args:
        rusage: As from ``os.wait4``: of the handler and those of its children that it waited for. Its peak begins with the
            fork of the small supervisor, so nothing is inherited from the client.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB on Linux: getrusage(2)
    return {"memory": rusage.ru_maxrss * unit, "cpu": round(rusage.ru_utime + rusage.ru_stime, 6)}


def oom_kills() -> int:
    """How often the kernel has killed for memory in this process's control group; 0 where it does not say."""
    total = 0
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            total += _counter(f"/sys/fs/cgroup{path}/memory.events") or _counter(
                f"/sys/fs/cgroup/unified{path}/memory.events"
            )
        elif "memory" in controllers.split(","):
            total += _counter(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
    return total


def _counter(path: str) -> int:
    for line in _lines(path):
        name, _, number = line.partition(" ")
        if name == "oom_kill":
            return int(number)
    return 0


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123  pathlib is slow to import on the run side
            return stream.read().splitlines()
    except OSError:
        return []
