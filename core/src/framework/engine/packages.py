"""Lists of packages: kept once under their digest, apart from the documents of the runs that had them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from framework.errors import NotFound, UsageError

if TYPE_CHECKING:
    from framework.databases import Database, Document

_LINE: Final = re.compile(r"(?P<name>[^=]+)==(?P<version>[^ ]+)(?: @ (?P<origin>.+))?")
_TOOLS: Final = frozenset({"pip", "uv"})  # what makes an environment need not be in it


def package_lines(database: Database, environment: Document) -> list[str] | None:
    """The packages that an environment had, a line each; None where they are not known.

    Args:
        database: Where the list is kept.
        environment: Facts with ``packages``: ``status.environment`` of a run, or ``run`` in it.
    """
    try:
        return database.content(environment["packages"]).decode("utf-8", "surrogateescape").splitlines()
    except (KeyError, NotFound):
        return None


def requirements(lines: list[str]) -> tuple[list[str], list[str]]:
    """What makes an environment with these packages again, and the lines of those that it cannot have."""
    wanted, left = [], []
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found["version"] == "unknown" or (found["origin"] or "").startswith(("file:", "unknown")):
            left.append(line)
        elif found["name"] not in _TOOLS:
            origin = found["origin"]
            wanted.append(f"{found['name']} @ {origin}" if origin else f"{found['name']}=={found['version']}")
    return wanted, left


def recorded_requirements(database: Database, packages: str) -> list[str]:
    """What makes the environment of a recorded list of packages again.

    Raises:
        UsageError: The list is not kept.
    """
    lines = package_lines(database, {"packages": packages})
    if lines is None:
        raise UsageError(f"the list of packages {packages} is not kept", advice="Replay it with --here.")
    return requirements(lines)[0]
