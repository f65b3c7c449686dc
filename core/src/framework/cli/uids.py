"""Short forms of uids for lists, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from framework.errors import Ambiguous, NotFound

if TYPE_CHECKING:
    from framework.databases import Database, Document

_LENGTHS: Final = (
    13,
    18,
    23,
)  # behind a group of a UUID; the first 12 hexadecimal digits of a UUIDv7 are its millisecond


def shorten(uids: Iterable[str]) -> dict[str, str]:
    """Each uid with its beginning, long enough to tell these uids apart."""
    full = list(dict.fromkeys(uids))
    for length in _LENGTHS:
        if len({uid[:length] for uid in full}) == len(full):
            return {uid: uid[:length] for uid in full}
    return {uid: uid for uid in full}


def short(database: Database, uid: str) -> str:
    """The beginning of a uid that names this run alone in the database."""
    for length in _LENGTHS:
        try:
            database.run(uid[:length])
        except Ambiguous:
            continue
        return uid[:length]
    return uid


def latest(database: Database, count: int) -> list[Document]:
    """The newest runs that no other run opened, the oldest of them first.

    Args:
        database: Where they are.
        count: How many.

    Raises:
        NotFound: There are not so many.
    """
    from framework.databases import RunQuery

    found = database.runs(RunQuery(limit=count))
    if len(found) < count:
        there = f"{len(found)} run{'' if len(found) == 1 else 's'}" if found else "no run"
        raise NotFound(f"there is {there} yet", advice="Make one: framework run FILE.py:FUNCTION")
    return found[::-1]
