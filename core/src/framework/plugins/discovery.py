"""What is installed: the distributions with an entry point in the group ``framework``, read from metadata alone.

The folders of `sys.path` are read here and not by `importlib.metadata`, whose import alone takes 20 ms of the 220 that
a script to its first tracked run may take (it brings a parser of mail headers). The rules are the same: the Core
metadata and Entry points specifications; of two distributions with one name the first is the one that is imported.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import frozen

from framework.plugins.compatibility import CORE, core_requirement

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUP = "framework"


@frozen(kw_only=True)
class Candidate:
    """A plugin that may be loaded.

    Args:
        name: The entry point's name, such as runtime-dask.
        module: The entry point's value.
        distribution: Who brings it.
        version: Its version.
        requirement: What it requires of framework-core, PEP 440; empty for nothing.
        problem: Why it cannot be loaded, as far as the metadata tells; empty if they do not.
    """

    name: str
    module: str
    distribution: str
    version: str
    requirement: str = ""
    problem: str = ""


@frozen(kw_only=True)
class Installed:
    """What was found on `sys.path`.

    Args:
        candidates: Every plugin, by its name and that of its distribution.
        core: The version of framework-core; empty where it is imported without being installed.
    """

    candidates: list[Candidate]
    core: str


@frozen
class _Metadata:
    """The three headers that matter, and the section of the entry points."""

    name: str
    version: str
    requirements: list[str]
    entries: list[tuple[str, str]]

    @property
    def is_core(self) -> bool:
        return _normalized(self.name) == CORE


def installed() -> Installed:
    """Every plugin that is installed. Nothing is imported, and a distribution that cannot be read is not there."""
    seen: set[str] = set()
    candidates: list[Candidate] = []
    core = ""
    for path in dict.fromkeys(sys.path):
        for found in _distributions(path or ".", seen):
            if found.is_core:
                core = found.version
            candidates += _candidates(found)
    return Installed(candidates=sorted(candidates, key=lambda it: (it.name, it.distribution)), core=core)


def _candidates(found: _Metadata) -> list[Candidate]:
    try:
        requirement, problem = core_requirement(found.requirements), ""
    except ValueError as error:
        requirement, problem = "", f"its requirement on {CORE} cannot be read: {error}"
    return [
        Candidate(
            name=name,
            module=module,
            distribution=found.name,
            version=found.version,
            requirement=requirement,
            problem=problem,
        )
        for name, module in found.entries
    ]


def _distributions(path: str, seen: set[str]) -> Iterator[_Metadata]:
    """framework-core, and what has entry points of the group, in one place of `sys.path`.

    Args:
        path: The place.
        seen: The names of the distributions that were met so far; what is met again is hidden by the first.
    """
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208  pathlib makes an object of each of some hundred names
    except OSError:
        if os.path.isfile(path):  # noqa: PTH113  as above
            yield from _in_archive(path, seen)
        return
    for name in names:
        if not name.endswith((".dist-info", ".egg-info")) or not _is_new(name.partition("-")[0], seen):
            continue
        text = _text(f"{path}/{name}/entry_points.txt")
        entries = entry_points(text) if f"[{GROUP}]" in text else []
        if entries or name.startswith("framework_core-"):
            yield _read(f"{path}/{name}", entries)


def _is_new(name: str, seen: set[str]) -> bool:
    count = len(seen)
    seen.add(_normalized(name))
    return len(seen) > count


def _read(folder: str, entries: list[tuple[str, str]]) -> _Metadata:
    if folder.endswith(".egg-info"):
        from importlib import metadata

        return _converted(metadata.Distribution.at(folder), entries)
    headers = _text(f"{folder}/METADATA").replace("\r\n", "\n").partition("\n\n")[0]
    stem, _, version = folder.rpartition("/")[2].removesuffix(".dist-info").partition("-")
    names = re.findall(r"(?m)^Name:\s*(.*?)\s*$", headers)
    versions = re.findall(r"(?m)^Version:\s*(.*?)\s*$", headers)
    requirements = re.findall(r"(?m)^Requires-Dist:\s*(.*?)\s*$", headers)
    return _Metadata((names or [stem])[0], (versions or [version])[0], requirements, entries)


def _in_archive(path: str, seen: set[str]) -> Iterator[_Metadata]:
    from importlib import metadata

    for distribution in metadata.distributions(path=[path]):
        entries = [(entry.name, entry.value) for entry in distribution.entry_points if entry.group == GROUP]
        if entries and _is_new(distribution.metadata["Name"], seen):
            yield _converted(distribution, entries)


def _converted(distribution: Distribution, entries: list[tuple[str, str]]) -> _Metadata:
    about = distribution.metadata
    return _Metadata(about["Name"], about["Version"], list(distribution.requires or ()), entries)


def entry_points(text: str) -> list[tuple[str, str]]:
    """The names and values in the section ``framework`` of an ``entry_points.txt``."""
    entries = []
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            entries.append((name.strip(), value.partition("[")[0].strip()))  # extras, which nobody uses, in brackets
    return entries


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # PEP 503


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123  as above
            return stream.read()
    except OSError:
        return ""
