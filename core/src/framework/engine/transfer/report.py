"""What a merge has come to."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import Factory, define, frozen


@frozen(kw_only=True)
class Conflict:
    """One name that means different things on the two sides: the target's stays, the other is kept under another name.

    Args:
        what: ``tag`` or ``project``.
        name: The name, as ``project/function:tag`` or a project's.
        stays: What it means in the target: the version of a tag, the digest of a project.
        other: What it means in the source.
        kept_as: The name under which the other is kept.
    """

    what: str
    name: str
    stays: str
    other: str
    kept_as: str


@define(kw_only=True)
class Report:
    """What was brought in, or would be."""

    runs: int = 0  # that were looked at
    runs_new: int = 0
    runs_completed: int = 0  # that were here, and the other side knew more of
    functions_new: int = 0  # versions
    tags_new: int = 0
    tags_moved: list[str] = Factory(list)  # where ``latest`` went on
    projects_new: int = 0
    contents_new: int = 0  # artifacts and code that were copied to the target's storage
    bytes_copied: int = 0
    unreachable: list[str] = Factory(list)  # contents that could not be read, and stay where they are said to be
    conflicts: list[Conflict] = Factory(list)

    @property
    def changed(self) -> bool:
        """Whether anything was brought in."""
        counts = (self.runs_new, self.runs_completed, self.functions_new, self.tags_new, self.projects_new)
        return bool(any(counts) or self.tags_moved)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return attrs.asdict(self)
