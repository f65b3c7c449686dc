"""Facts: what a run can be asked for by, as narrow rows (key, value, run).

They are derived from the documents and may lag behind (`framework_db_sql.unsettled`).

A value is bytes whose order is the order of the values: a tag for the type, then numbers as flipped IEEE 754 doubles
and text as UTF-8. Thus one column holds every type, and both engines compare it alike.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from framework.conditions import INDEXED, MISSING, section_of, value_of
from framework.databases import Document
from framework_run.numbers import decode

COLUMNS: Final = ("project", "name", "state")
"""Fields that are both columns and facts."""
USUAL: Final = {"project": "default", "state": "completed"}
"""What most runs say, and therefore no fact says: it would be rare in no database that grows by use."""
NUMBER_FROM: Final = b"2"
NUMBER_TO: Final = b"3"
TEXT_FROM: Final = NUMBER_TO
TEXT_TO: Final = b"4"
LONGEST: Final = 500  # bytes of a key or value; PostgreSQL indexes no more than 2,700

_EXACT: Final = 2**53
_PRIVATE: Final = 0xE000  # where the characters begin that no text has a use for, and so no pattern names

Fact = tuple[str, bytes]


def encode(value: Any) -> bytes | None:
    """A value as it stands in the table; None where no condition but ``!=`` fits it: NaN, lists, mappings.

    Text and keys beyond `LONGEST` bytes are told apart in full but ordered by their beginning.
    """
    if value is None:
        return b"0"
    if isinstance(value, bool):
        return b"11" if value else b"10"
    if isinstance(value, (int, float)):
        return _number(value)
    return TEXT_FROM + _cut(value) if isinstance(value, str) else None


@lru_cache(maxsize=1024)  # runs of one function have their keys in common
def key_of(field: str) -> str:
    """A field as a key of the table."""
    return _cut(field).decode("utf-8", "replace")


def facts_of(run: Document) -> Iterator[Fact]:
    """The facts of a run's document."""
    for field in COLUMNS:
        content = value_of(run, field)
        if content != USUAL.get(field) and content is not MISSING:
            yield field, _name(content)
    for section in INDEXED:
        for key, content in section_of(run, section).items():
            value = encode(content if type(content) in _PLAIN else decode(content))
            if value is not None:
                yield key_of(f"{section}.{key}"), value


@lru_cache(maxsize=1024)
def _name(text: str) -> bytes:
    """As `encode`, of a name that many runs have in common."""
    return TEXT_FROM + _cut(text)


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def _number(value: float) -> bytes | None:
    """IEEE 754 in an order that bytes have; of an integer that no double holds, the rest is behind the double below."""
    rest = 0
    try:
        double = float(value)
    except OverflowError:
        double = math.inf if value > 0 else -math.inf
    if math.isnan(double):
        return None
    if isinstance(value, int) and abs(value) > _EXACT and math.isfinite(double):
        if int(double) > value:
            double = math.nextafter(double, -math.inf)
        rest = value - int(double)
    bits = int.from_bytes(struct.pack(">d", double + 0.0), "big")  # + 0.0: there is one zero
    flipped = bits ^ (0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63)
    return NUMBER_FROM + flipped.to_bytes(8, "big") + (_length_first(rest) if rest else b"")


def _length_first(rest: int) -> bytes:
    content = rest.to_bytes((rest.bit_length() + 7) // 8, "big")
    return len(content).to_bytes(2, "big") + content


def _cut(text: str) -> bytes:
    content = text.encode("utf-8", "replace").replace(b"\0", b"\xef\xbf\xbd")  # PostgreSQL has no NUL in text
    if len(content) <= LONGEST:
        return content
    short = content[: LONGEST - 100].decode("utf-8", "ignore")  # no character is cut in two
    digest = "".join(chr(_PRIVATE + byte) for byte in hashlib.sha256(content).digest())
    return f"{short}\ufffd{digest}".encode()
