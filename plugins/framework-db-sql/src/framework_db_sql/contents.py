"""Contents: bytes that many runs share, each kept once under its digest."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from framework.errors import DatabaseError, NotFound
from framework_db_sql.engine import Engine, Session

_PUT: Final = "INSERT INTO contents (digest, data) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"


def put_content(engine: Engine, content: bytes) -> str:
    """Keep bytes once; returns their digest."""
    with engine.writing() as session:
        return keep_content(session, content)


def keep_content(session: Session, content: bytes) -> str:
    """As `put_content`, in a transaction that is under way."""
    digest = _digest(content)
    session.execute(_PUT, (digest, zlib.compress(content, 6)))
    return digest


def one_content(engine: Engine, digest: str) -> bytes:
    """The bytes of a digest.

    Raises:
        NotFound: They are not kept.
        DatabaseError: They are not what their digest says.
    """
    with engine.reading() as session:
        row = session.execute("SELECT data FROM contents WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        raise NotFound(f"there is no content {digest!r}", advice="Was it recorded in another database?")
    try:
        content = zlib.decompress(bytes(row[0]))
    except zlib.error:
        content = b""
    if _digest(content) != digest:
        raise DatabaseError(f"the content {digest} is damaged", advice="Restore a backup.")
    return content


def all_contents(engine: Engine) -> list[str]:
    """The digests of everything that is kept, in their order."""
    with engine.reading() as session:
        return [digest for (digest,) in session.execute("SELECT digest FROM contents ORDER BY digest").fetchall()]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
