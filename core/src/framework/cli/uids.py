"""Short forms of uids for lists, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
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


def shorten_runs(runs: Iterable[Document]) -> dict[str, str]:
    """As `shorten`, and told apart from the runs that have opened them, which a common beginning would name."""
    listed = list(runs)
    own = [str(run["metadata"]["uid"]) for run in listed]
    parents = [str(run["spec"]["parent"]) for run in listed if run.get("spec", {}).get("parent")]
    return shorten([*own, *parents])


def short(database: Database, uid: str) -> str:
    """The beginning of a uid that names this run in the database."""
    for length in _LENGTHS:
        with suppress(Ambiguous):
            if database.run(uid[:length])["metadata"]["uid"] == uid:
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
