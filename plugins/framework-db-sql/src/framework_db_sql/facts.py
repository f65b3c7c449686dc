"""Facts: what a run can be asked for by, as narrow rows (key, value, run).

They are derived from the documents and may lag behind: a run's row says so, and whoever queries writes what is missing
first, as does who has written many runs. So a run costs nothing for them while it is written, and their index is
written in large, sorted pieces.

A value is bytes whose order is the order of the values: a tag for the type, then numbers as flipped IEEE 754 doubles
and text as UTF-8. Thus one column holds every type, and both engines compare it alike.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from framework.conditions import MISSING, SECTIONS, section_of, value_of
from framework.databases import Document
from framework_db_sql.engine import Engine, Session
from framework_run.numbers import decode

BATCH: Final = 2_000
"""Runs whose facts are written in one transaction, and how many a writer lets pile up."""
DIRTY: Final = 2
"""The bit of ``pending``, its highest, that says that a run's facts are not written."""
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
_DIRTY_RUNS: Final = "SELECT id, doc FROM runs WHERE pending > 0 AND pending >= 2 ORDER BY pending, id LIMIT ?"
_INSERT: Final = "INSERT INTO facts (key, value, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_MARK: Final = "UPDATE runs SET pending = pending - 2, revision = revision + 1 WHERE id = ? AND pending >= 2"

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


def key_of(field: str) -> str:
    """A field as a key of the table."""
    return _cut(field).decode("utf-8", "replace")


def facts_of(run: Document) -> Iterator[Fact]:
    """The facts of a run's document."""
    for field in COLUMNS:
        content = value_of(run, field)
        if content != USUAL.get(field) and content is not MISSING:
            yield field, TEXT_FROM + _cut(content)
    for section in SECTIONS:
        for key, content in section_of(run, section).items():
            value = encode(content if type(content) in _PLAIN else decode(content))
            if value is not None:
                yield key_of(f"{section}.{key}"), value


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def any_dirty(session: Session) -> bool:
    """Whether there are runs whose facts are not written."""
    found = session.execute("SELECT 1 FROM runs WHERE pending > 0 AND pending >= 2 LIMIT 1")
    return found.fetchone() is not None


def backlog(session: Session) -> int:
    """How many there are, up to `BATCH`."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE pending > 0 AND pending >= 2 LIMIT ?) AS some_runs"
    return int(session.execute(counted, (BATCH,)).fetchone()[0])


def write_facts(engine: Engine, session: Session) -> int:
    """Write the facts of up to `BATCH` runs; returns of how many."""
    runs = session.execute(_DIRTY_RUNS + engine.lock_rows, (BATCH,)).fetchall()
    rows = [(key, value, number) for number, text in runs for key, value in facts_of(json.loads(text))]
    rows.sort()  # pages of the index are touched once each
    session.executemany(_INSERT, rows)
    session.executemany(_MARK, [(number,) for number, _ in runs])
    return len(runs)


def forget_facts(session: Session, number: int, facts: Iterable[Fact]) -> None:
    """Remove a run's facts."""
    rows = [(key, value, number) for key, value in facts]
    session.executemany("DELETE FROM facts WHERE key = ? AND value = ? AND run = ?", rows)


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
    short = content[: LONGEST - 72].decode("utf-8", "ignore")  # no character is cut in two
    return f"{short}\ufffd{hashlib.sha256(content).hexdigest()}".encode()
