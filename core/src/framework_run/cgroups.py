"""Control groups of the kernel's, both versions: a run's processes in a group of their own, with its limits.

Version 1 has a tree a controller, in which a group is made below the one that this process is in
(https://docs.kernel.org/admin-guide/cgroup-v1/memory.html, and sched-bwc of the scheduler's documentation). Version 2
has one tree, in which a group that holds processes has no limited groups below it: so it is made below the nearest
group that gives its controllers on (https://docs.kernel.org/admin-guide/cgroup-v2.html). Either needs to be root, or to
have the group delegated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

_PREFIX: Final = "framework-"
_PERIOD: Final = 100_000  # microseconds, of which a quota is a part
_LEAST: Final = 1_000  # microseconds of quota: the kernel takes no less


class Group:
    """The groups of one run: one folder, or with version 1 one for each controller.

    Args:
        folders: The folders by controller, ``memory`` and ``cpu``.
        version: Of the controllers.
    """

    def __init__(self, folders: Mapping[str, str], version: int) -> None:
        self.folders = dict(folders)
        self._version = version

    def join(self) -> None:
        """Move the calling process into it.

        Raises:
            OSError: The kernel does not let it.
        """
        for folder in set(self.folders.values()):
            _write(f"{folder}/cgroup.procs", "0")  # the writer itself

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed at its limit of memory."""
        name = "memory.oom_control" if self._version == 1 else "memory.events"
        return _numbers(f"{self.folders.get('memory', '')}/{name}").get("oom_kill", 0)

    def memory(self) -> int:
        """Bytes that its processes hold now and the kernel cannot take back: without cached files."""
        found = _numbers(f"{self.folders.get('memory', '')}/memory.stat")
        names = ("total_rss", "total_shmem") if self._version == 1 else ("anon", "shmem")
        return sum(found.get(name, 0) for name in names)

    def remove(self) -> None:
        """Remove it; the kernel keeps what still has processes."""
        remove(set(self.folders.values()))


def create(name: str, limits: Mapping[str, Fraction], root: str = "/sys/fs/cgroup", own: str = "") -> Group | None:
    """Make a group with limits.

    Args:
        name: Its name, unlike any other's.
        limits: Bytes of ``memory``, cores of ``cpu``; others are passed over.
        root: Where the groups are mounted.
        own: The text of /proc/self/cgroup.

    Returns:
        The group, with the limits that could be set; None where none could.
    """
    wanted = {controller: limit for controller, limit in limits.items() if controller in _LIMITS}
    lines = [line.split(":", 2) for line in (own or _read("/proc/self/cgroup")).splitlines()]
    trees = {controller: path for _, names, path in lines for controller in names.split(",") if controller in wanted}
    if trees:
        folders = {controller: _below(f"{root}/{controller}", path) for controller, path in trees.items()}
        version = 1
    else:
        path = next((path for _, names, path in lines if not names), "")
        folder = _giving(root, path, set(wanted))
        folders, version = (dict.fromkeys(wanted, folder) if folder else {}), 2
    made: dict[str, str] = {}
    for controller, parent in folders.items():
        folder = f"{parent}/{_PREFIX}{name}"
        try:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103  pathlib is slow to import on the run side
            for file, text in _LIMITS[controller](version, wanted[controller], folder):
                _write(f"{folder}/{file}", text)
        except OSError:
            remove({folder} - set(made.values()))
            continue
        made[controller] = folder
    return Group(made, version) if made else None


def remove(folders: set[str]) -> None:
    """Remove the folders of groups, those that are gone or in use passed over."""
    for folder in folders:
        try:
            os.rmdir(folder)  # noqa: PTH106  as above
        except OSError:
            continue


def _below(tree: str, path: str) -> str:
    """The folder of a version 1 group; a container without a namespace sees its own at the root."""
    folder = f"{tree}{path}".rstrip("/")
    return folder if os.path.isdir(folder) else tree  # noqa: PTH112


def _giving(root: str, path: str, controllers: set[str]) -> str:
    """The nearest version 2 group, from this process's own upwards, that gives these controllers on; empty if none.

    From a run's own group nothing is made further up: what a run starts stays within its limits.
    """
    steps = [step for step in path.split("/") if step]
    confined = next((index for index, step in enumerate(steps) if step.startswith(_PREFIX)), -1) + 1
    for count in range(len(steps), confined - 1, -1):
        folder = "/".join([root, *steps[:count]])
        if controllers <= set(_read(f"{folder}/cgroup.subtree_control").split()) and os.access(folder, os.W_OK):
            return folder
    return ""


def _memory(version: int, limit: Fraction, folder: str) -> list[tuple[str, str]]:
    text = str(int(limit))
    if version != 1:
        return [("memory.max", text), *_if_there(folder, "memory.swap.max", "0")]
    both = _if_there(folder, "memory.memsw.limit_in_bytes", text)
    return [("memory.limit_in_bytes", text), *(both or _if_there(folder, "memory.swappiness", "0"))]


def _cpu(version: int, limit: Fraction, _folder: str) -> list[tuple[str, str]]:
    quota = max(_LEAST, int(limit * _PERIOD))
    if version != 1:
        return [("cpu.max", f"{quota} {_PERIOD}")]
    return [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", str(quota))]


_LIMITS: Final = {"memory": _memory, "cpu": _cpu}


def _if_there(folder: str, file: str, text: str) -> list[tuple[str, str]]:
    """What is written where the kernel counts swap."""
    return [(file, text)] if os.path.exists(f"{folder}/{file}") else []  # noqa: PTH110


def _numbers(path: str) -> dict[str, int]:
    found = {}
    for line in _read(path).splitlines():
        name, _, number = line.partition(" ")
        if number.isdigit():
            found[name] = int(number)
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            return stream.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:  # noqa: PTH123
        stream.write(text)
