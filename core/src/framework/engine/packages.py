"""Lists of packages: kept once under their digest, apart from the documents of the runs that had them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.errors import NotFound

if TYPE_CHECKING:
    from framework.databases import Database, Document


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
