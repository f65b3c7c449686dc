"""The planning side: put, open, get, list, stat, delete."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

from framework.errors import StorageError
from framework.storages import Stat, Storage
from framework_run.folders import is_packed, unpack
from framework_storage_sqlite.runside.store import PIECE, Store

_URL = re.compile(r"sqlite://(?P<path>/[^#]+)(#(?P<digest>sha256:[0-9a-f]{64}))?")


class SqliteStorage(Storage):
    """Contents in one SQLite file.

    Args:
        url: ``sqlite:///folder/file.db``, or the URI of an object in it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        match = _URL.fullmatch(url)
        if match is None:
            raise StorageError(f"{url!r} is no URL of this storage", advice="Write sqlite:///folder/file.db.")
        self._store = Store(match["path"])

    def put(self, source: Path | BinaryIO | bytes) -> Stat:
        """Keep a file, a folder or bytes."""
        try:
            if isinstance(source, Path):
                return Stat(**self._store.put(str(source)))
            return Stat(**self._store.put_stream(io.BytesIO(source) if isinstance(source, bytes) else source))
        except OSError as error:
            raise StorageError(f"{self.url} did not take it: {error}", advice="Make room there.") from error

    def open(self, uri: str) -> BinaryIO:
        """The content, verified before it is given: a file that has no name and is gone when it is closed."""
        stat = self.stat(uri)
        content = hashlib.sha256()
        with ExitStack() as unless_whole:
            temporary = tempfile.TemporaryFile()  # noqa: SIM115  who called closes it
            copy = unless_whole.enter_context(cast("BinaryIO", temporary))
            try:
                with self._store.connected() as database:
                    query = "select cast(data as blob) from pieces where digest = ? order by number"
                    for (piece,) in database.execute(query, (stat.digest,)):
                        content.update(piece)
                        copy.write(piece)
            except OSError as error:
                raise StorageError(f"{uri} cannot be read: {error}", advice="Make room there.") from error
            found = f"sha256:{content.hexdigest()}"
            if found != stat.digest:
                raise StorageError(
                    f"{uri} has changed: it should be {stat.digest} and is {found}", advice="Run it again."
                )
            unless_whole.pop_all()
        copy.seek(0)
        return copy

    def get(self, uri: str, target: Path) -> Path:
        """Copy a file, or unpack a folder."""
        if target.exists():
            raise StorageError(f"{str(target)!r} is there already", advice="Name another place.")
        partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
        try:
            with self.open(uri) as source:
                target.parent.mkdir(parents=True, exist_ok=True)
                if is_packed(source):
                    unpack(source, str(partial))
                else:
                    with partial.open("xb") as copy:
                        shutil.copyfileobj(source, copy, PIECE)
            partial.rename(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)
            raise StorageError(f"{str(target)!r} cannot be written: {error}", advice="Make room there.") from error
        return target

    def list(self) -> Iterator[Stat]:
        """Everything that is kept."""
        for digest, size in self._ask("select digest, size from objects order by digest"):
            yield Stat(uri=f"sqlite://{self._store.path}#{digest}", size=size, digest=digest)

    def stat(self, uri: str) -> Stat:
        """What is known of one object."""
        digest = self._digest(uri)
        for (size,) in self._ask("select size from objects where digest = ?", digest):
            return Stat(uri=uri, size=size, digest=digest)
        raise StorageError(f"{uri} is not there", advice="It was deleted; run it again.")

    def delete(self, uri: str) -> None:
        """Remove one object."""
        digest = self._digest(uri)
        try:
            with self._store.connected() as database:
                database.execute("begin immediate")
                database.execute("delete from pieces where digest = ?", (digest,))
                database.execute("delete from objects where digest = ?", (digest,))
                database.execute("commit")
        except OSError as error:
            raise StorageError(f"{uri} cannot be removed: {error}", advice="See: framework doctor") from error

    def runner(self) -> dict[str, Any]:
        """The same file, reached by the run side."""
        target = "framework_run.plugins.framework_storage_sqlite.store:Store"
        return {"target": target, "options": {"path": self._store.path}}

    def _ask(self, query: str, *values: str) -> Sequence[tuple[Any, ...]]:
        try:
            with self._store.connected() as database:
                return database.execute(query, values).fetchall()
        except OSError as error:
            raise StorageError(f"{self.url} cannot be read: {error}", advice="See: framework doctor") from error

    def _digest(self, uri: str) -> str:
        match = _URL.fullmatch(uri)
        if match is None or match["digest"] is None or match["path"] != self._store.path:
            raise StorageError(f"{uri!r} is no object of {self.url}", advice="See: framework artifacts list")
        return match["digest"]
