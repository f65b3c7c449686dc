"""Contents in a SQLite file, in pieces, each content in one transaction: whole or not at all."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from framework_run.folders import pack

PIECE = 1024 * 1024  # bytes of a row
_PATIENCE = 60  # seconds to wait for another writer
_TABLES = (
    "create table if not exists objects (digest text primary key, size integer not null) without rowid",
    "create table if not exists pieces (digest text, number integer, data blob not null, primary key (digest, number))",
)


class Store:
    """What the runner makes and calls in the handler's process, and the planning side uses as well.

    Args:
        path: The file; made when it is first used.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def put(self, path: str) -> dict[str, Any]:
        """Keep a file or a folder.

        Returns:
            uri, digest (``sha256:…``) and size in bytes.

        Raises:
            OSError: It could not be kept; nothing is left of it.
        """
        if not Path(path).is_dir():
            with Path(path).open("rb") as source:
                return self.put_stream(source)
        with tempfile.TemporaryFile() as packed:
            pack(path, packed)
            packed.seek(0)
            return self.put_stream(packed)

    def put_stream(self, source: BinaryIO) -> dict[str, Any]:
        """Keep what is read from a stream. It is read to its end first, so that no writer waits for a slow source."""
        with tempfile.TemporaryFile() as copy:
            content, size = hashlib.sha256(), 0
            while piece := source.read(PIECE):
                content.update(piece)
                size += copy.write(piece)
            copy.seek(0)
            digest = f"sha256:{content.hexdigest()}"
            self._insert(digest, size, copy)
        return {"uri": f"sqlite://{self.path}#{digest}", "digest": digest, "size": size}

    def _insert(self, digest: str, size: int, source: IO[bytes]) -> None:
        """What is there already is replaced by the same: that mends it if it was damaged."""
        with self.connected() as database:
            database.execute("begin immediate")
            database.execute("delete from pieces where digest = ?", (digest,))
            number = 0
            while piece := source.read(PIECE):
                database.execute("insert into pieces values (?, ?, ?)", (digest, number, piece))
                number += 1
            database.execute("insert or replace into objects values (?, ?)", (digest, size))
            database.execute("commit")

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each use, so that threads and processes may share the store.

        Raises:
            OSError: What SQLite said.
        """
        try:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
            try:
                for table in _TABLES:
                    database.execute(table)
                yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: {error}") from error
