"""The planning side of the storage: the same folder, read and verified."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from framework.errors import StorageError
from framework.storages import Stat, Storage
from framework_run.folders import is_packed, unpack
from framework_storage_file.runside.store import Store, digest_of, uri_of

_OBJECT = re.compile(r"(?P<root>.*)/sha256/(?P<first>[0-9a-f]{2})/(?P<rest>[0-9a-f]{62})")
_CHUNK = 1024 * 1024  # bytes copied at once


class FileStorage(Storage):
    """Content in a folder of this machine, or one that is mounted.

    What lies in another folder of the same layout can be read as well: a home that was moved, or a colleague's. It is
    verified by its digest all the same. Where that folder is not there, as on another machine, the same content of this
    one is as good.

    Args:
        url: ``file:///folder``, or the URI of an object in it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        path = _path(url)
        found = _OBJECT.fullmatch(path)
        self._store = Store(found["root"] if found else path)

    def put(self, source: Path | BinaryIO | bytes) -> Stat:
        """Keep a file, a folder or bytes."""
        try:
            if isinstance(source, Path):
                return Stat(**self._store.put(str(source)))
            return Stat(**self._store.put_stream(io.BytesIO(source) if isinstance(source, bytes) else source))
        except OSError as error:
            raise _refused(f"the storage {self.url} did not take it", error) from error

    def open(self, uri: str) -> BinaryIO:
        """The content, verified before it is given."""
        stream, digest = self._opened(uri)
        try:
            found = digest_of(stream)
            if found != digest:
                raise _changed(uri, digest, found)
        except OSError as error:
            stream.close()
            raise _refused(f"{uri} cannot be read", error) from error
        except StorageError:
            stream.close()
            raise
        return stream

    def get(self, uri: str, target: Path) -> Path:
        """Copy a file, or unpack a folder; it is at its place when all of it is there and verified."""
        if target.exists() or target.is_symlink():
            raise StorageError(f"{str(target)!r} is there already", advice="Name another place.")
        partial = target.with_name(f".{target.name[:100]}.{os.getpid()}-{os.urandom(4).hex()}.part")
        stream, digest = self._opened(uri)
        try:
            with stream:
                target.parent.mkdir(parents=True, exist_ok=True)
                if is_packed(stream):
                    found = digest_of(stream)
                    if found == digest:
                        unpack(stream, str(partial))
                else:
                    found = _copied(stream, partial)
            if found != digest:
                raise _changed(uri, digest, found)
            partial.rename(target)
        except OSError as error:
            raise _refused(f"{str(target)!r} cannot be written", error) from error
        finally:
            _remove(partial)
        return target

    def list(self) -> Iterator[Stat]:
        """Everything that is kept, in the order of digests."""
        for path in sorted(Path(self._store.root).glob("sha256/??/*")):
            found = _OBJECT.fullmatch(str(path))
            if found:
                yield Stat(uri=uri_of(str(path)), size=path.stat().st_size, digest=_digest(found))

    def stat(self, uri: str) -> Stat:
        """What is known of one object."""
        stream, digest = self._opened(uri)
        with stream:
            return Stat(uri=uri, size=os.fstat(stream.fileno()).st_size, digest=digest)

    def delete(self, uri: str) -> None:
        """Remove one object of this storage.

        Raises:
            StorageError: It is another's, or cannot be removed.
        """
        path, found = _object(uri)
        if str(Path(found["root"])) != self._store.root:
            raise StorageError(f"{uri} is not in the storage {self.url}", advice="Delete it where it is.")
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(f"{uri} cannot be removed", error) from error

    def runner(self) -> dict[str, Any]:
        """The same folder, reached by the run side."""
        target = "framework_run.plugins.framework_storage_file.store:Store"
        return {"target": target, "options": {"root": self._store.root}}

    def _opened(self, uri: str) -> tuple[BinaryIO, str]:
        """An object as it lies there, and the digest that it must have."""
        path, found = _object(uri)
        ours = Path(self._store.root, "sha256", found["first"], found["rest"])
        try:
            return (there if (there := Path(path)).exists() else ours).open("rb"), _digest(found)
        except FileNotFoundError:
            advice = "It was deleted, or lies on another machine; run it again, or share a storage: FRAMEWORK_STORAGE."
            raise StorageError(f"{uri} is not there", advice=advice) from None
        except OSError as error:
            raise _refused(f"{uri} cannot be read", error) from error


def _path(url: str) -> str:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.startswith("/"):
        raise StorageError(f"{url!r} is no file:// URL of this machine", advice="Write file:///folder.")
    if parts.query or parts.fragment:
        raise StorageError(f"{url!r} has a sign that means something in a URL", advice="Write %3F for ? and %23 for #.")
    return path


def _object(uri: str) -> tuple[str, re.Match[str]]:
    """The path of an object, which is one by its form: nothing else on this machine is read or removed."""
    path = _path(uri)
    found = _OBJECT.fullmatch(path)
    if not found:
        raise StorageError(f"{uri!r} is no object of a storage", advice="Write file:///folder/sha256/ab/cdef…")
    return path, found


def _digest(found: re.Match[str]) -> str:
    return f"sha256:{found['first']}{found['rest']}"


def _copied(stream: BinaryIO, target: Path) -> str:
    """Copy a file; returns the digest of what was copied."""
    content = hashlib.sha256()
    with target.open("xb") as copy:
        while piece := stream.read(_CHUNK):
            content.update(piece)
            copy.write(piece)
    return f"sha256:{content.hexdigest()}"


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def _changed(uri: str, expected: str, found: str) -> StorageError:
    return StorageError(f"{uri} has changed: it should be {expected} and is {found}", advice="Run it again.")


def _refused(what: str, error: OSError) -> StorageError:
    import errno

    full = error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
    advice = "Make room, or set another storage." if full else "See: framework doctor"
    return StorageError(f"{what}: {error.strerror or error}", advice=advice)
