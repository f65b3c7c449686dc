"""What is installed: the distributions with an entry point in the group ``framework``, read from metadata alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import metadata

from attrs import frozen

GROUP = "framework"
CORE = "framework-core"


@frozen(kw_only=True)
class Candidate:
    """A plugin that may be loaded.

    Args:
        name: The entry point's name, such as runtime-dask.
        module: The entry point's value.
        distribution: Who brings it.
        version: Its version.
        requirement: What it requires of framework-core, PEP 440; empty for nothing.
    """

    name: str
    module: str
    distribution: str
    version: str
    requirement: str = ""


def candidates() -> list[Candidate]:
    """Every plugin that is installed, by name."""
    found: dict[str, Candidate] = {}
    for distribution in metadata.distributions():
        for candidate in _of(distribution):
            found.setdefault(candidate.name, candidate)  # the first on the path is the one that is imported
    return [found[name] for name in sorted(found)]


def core_version() -> str:
    """The version of framework-core that is installed."""
    return metadata.version(CORE)


def _of(distribution: metadata.Distribution) -> Iterator[Candidate]:
    text = distribution.read_text("entry_points.txt")
    if not text or f"[{GROUP}]" not in text:  # most have none: reading further would cost ten times as much
        return
    for entry in distribution.entry_points:
        if entry.group == GROUP:
            yield Candidate(
                name=entry.name,
                module=entry.value,
                distribution=distribution.metadata["Name"],
                version=distribution.version,
                requirement=_requirement(distribution.requires or ()),
            )


def _requirement(requirements: Iterable[str]) -> str:
    for text in requirements:
        if text.replace("_", "-").lower().startswith(CORE):
            from packaging.requirements import Requirement

            return str(Requirement(text).specifier)
    return ""
