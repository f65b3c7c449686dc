"""The planning side of the storage: the same folder, read and verified."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from framework.errors import StorageError
from framework.storages import Stat, Storage
from framework_storage_file.runside.store import Store, digest_of

_TAR = b"ustar"
_MAGIC_AT = 257  # where a tar archive says that it is one


class FileStorage(Storage):
    """Content in a folder of this machine, or one that is mounted.

    Args:
        url: ``file:///folder``.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._store = Store(_path(url))

    def put(self, source: Path | BinaryIO | bytes) -> Stat:
        """Keep a file, a folder or bytes."""
        try:
            if isinstance(source, bytes):
                source = io.BytesIO(source)
            kept = self._store.put(str(source)) if isinstance(source, Path) else self._store.put_stream(source)
        except OSError as error:
            raise StorageError(
                f"the storage {self.url} did not take it: {error}", advice="Make room, or set another storage."
            ) from error
        return Stat(**kept)

    def open(self, uri: str) -> BinaryIO:
        """The content, verified before it is given."""
        path = self._found(uri)
        expected = "sha256:" + path.parent.name + path.name
        found = digest_of(str(path))
        if found != expected:
            raise StorageError(f"{uri} has changed: it should be {expected} and is {found}", advice="Run it again.")
        return path.open("rb")

    def get(self, uri: str, target: Path) -> Path:
        """Copy the content to a file, or unpack a folder."""
        if target.exists():
            raise StorageError(f"{str(target)!r} is there already", advice="Name another place.")
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with self.open(uri) as source:
                target.parent.mkdir(parents=True, exist_ok=True)
                if _is_tar(source) and not target.suffix:
                    _unpack(source, partial)
                else:
                    with partial.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
            partial.replace(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)
            raise StorageError(f"{str(target)!r} cannot be written: {error}", advice="Make room.") from error
        return target

    def list(self) -> Iterator[Stat]:
        """Everything that is kept."""
        for path in sorted(Path(self._store.root).glob("sha256/??/*")):
            yield self._stat(path)

    def stat(self, uri: str) -> Stat:
        """What is known of one object."""
        return self._stat(self._found(uri))

    def delete(self, uri: str) -> None:
        """Remove one object."""
        Path(_path(uri)).unlink(missing_ok=True)

    def runner(self) -> dict[str, Any]:
        """The same folder, reached by the run side."""
        target = "framework_run.plugins.framework_storage_file.store:Store"
        return {"target": target, "options": {"root": self._store.root}}

    def _found(self, uri: str) -> Path:
        path = Path(_path(uri))
        if not path.is_file():
            raise StorageError(f"{uri} is not there", advice="It was deleted, or belongs to another machine.")
        return path

    def _stat(self, path: Path) -> Stat:
        digest = f"sha256:{path.parent.name}{path.name}"
        return Stat(uri=f"file://{path.absolute()}", size=path.stat().st_size, digest=digest)


def _path(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise StorageError(f"{url!r} is no file:// URL of this machine", advice="Write file:///folder.")
    return unquote(parts.path)


def _is_tar(stream: BinaryIO) -> bool:
    stream.seek(_MAGIC_AT)
    magic = stream.read(len(_TAR))
    stream.seek(0)
    return magic == _TAR


def _unpack(stream: BinaryIO, target: Path) -> None:
    with tarfile.open(fileobj=stream) as archive:
        archive.extractall(target, filter="data")
