"""Short forms of uids for lists, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from framework.errors import Ambiguous

if TYPE_CHECKING:
    from framework.databases import Database

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
