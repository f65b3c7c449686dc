"""Whether a plugin fits this core, told from its metadata alone: nothing of the plugin is imported for it."""

from __future__ import annotations

import re
from collections.abc import Iterable

CORE = "framework-core"

_IS_CORE = re.compile(r"framework[-_.]+core(?![\w.-])", re.IGNORECASE)  # however it is written: PEP 503
_PLAIN = re.compile(r"[\w.-]+\s*\(?\s*([^;@()\[\]]*?)\s*\)?\s*")
_OF_AN_EXTRA = re.compile(r"[^;]*;\s*extra\s*==\s*(['\"])[\w.-]+\1\s*")  # asked only when somebody asks for the extra
_CLAUSE = re.compile(r"(>=|<=|<|>|==|!=)\s*(\d+(?:\.\d+)*)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


def core_requirement(requirements: Iterable[str]) -> str:
    """What a distribution asks of framework-core.

    Args:
        requirements: Its ``Requires-Dist``, as PEP 508 writes them.

    Returns:
        A version specifier as in PEP 440; empty where any version will do.

    Raises:
        ValueError: A requirement cannot be read.
    """
    asked = [_specifier(text) for text in requirements if _IS_CORE.match(text)]
    return ",".join(specifier for specifier in asked if specifier)


def allows(specifier: str, version: str) -> bool:
    """Whether a version is one that a specifier allows, by PEP 440; pre-releases are taken as they come.

    Raises:
        ValueError: The specifier cannot be read.
    """
    plain = _allows_plain(specifier, version)
    if plain is not None:
        return plain
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(version, prereleases=True)


def _specifier(text: str) -> str:
    if _OF_AN_EXTRA.fullmatch(text):
        return ""
    plain = _PLAIN.fullmatch(text)
    if plain and _allows_plain(plain[1], "0") is not None:
        return plain[1]
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return str(requirement.specifier) if applies else ""


def _allows_plain(specifier: str, version: str) -> bool | None:
    """The answer for releases that are only numbers, which is what nearly all plugins ask for; None for the rest.

    It is here because importing `packaging` takes longer than loading twelve plugins.
    """
    if not _RELEASE.fullmatch(version):
        return None
    allowed = True
    for clause in filter(None, specifier.split(",")):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            return None
        operator, wanted = match.groups()
        order = _compared(version, wanted)
        allowed &= {
            ">=": order >= 0,
            "<=": order <= 0,
            ">": order > 0,
            "<": order < 0,
            "==": order == 0,
            "!=": order != 0,
        }[operator]
    return allowed


def _compared(one: str, other: str) -> int:
    """Less than 0, 0, more than 0; 1.0 is 1."""
    left, right = ([int(part) for part in text.split(".")] for text in (one, other))
    length = max(len(left), len(right))
    left, right = (numbers + [0] * (length - len(numbers)) for numbers in (left, right))
    return (left > right) - (left < right)
