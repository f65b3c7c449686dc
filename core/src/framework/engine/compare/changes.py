"""A change: one field that two things do not have alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from attrs import asdict, frozen

Section = Literal[
    "code", "spec", "packages", "environment", "parameters", "inputs", "request", "results", "metrics", "outcome"
]
ABSENT: Final = None
"""What a side has that lacks the field."""


@frozen(kw_only=True)
class Change:
    """One field that differs.

    Args:
        section: What kind of thing it is.
        field: Its name in the section: a path, a parameter, a package.
        before: The value of the one; None where it has none.
        after: The value of the other.
        diff: Of a text file, its unified diff.
    """

    section: Section
    field: str
    before: Any
    after: Any
    diff: str = ""

    def document(self) -> dict[str, Any]:
        """The change as JSON: section, field, from, to, and the diff where there is one."""
        content = asdict(self)
        content["from"], content["to"] = content.pop("before"), content.pop("after")
        diff = content.pop("diff")
        return {**content, **({"diff": diff} if diff else {})}


def differs(values: list[Any]) -> bool:
    """Whether not all values are the same, of the same type."""
    return any(content != values[0] or type(content) is not type(values[0]) for content in values[1:])


def changed(section: Section, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The keys that two mappings do not have alike."""
    for key in dict.fromkeys([*before, *after]):
        values = [before.get(key, ABSENT), after.get(key, ABSENT)]
        if differs(values):
            yield Change(section=section, field=key, before=values[0], after=values[1])
