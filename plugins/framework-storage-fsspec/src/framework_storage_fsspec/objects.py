"""Objects by their content in a file system of fsspec: ``ROOT/sha256/ab/cdef…``.

fsspec's ``put_file`` makes an object whole or not at all on object stores; that is what is asked of a file system here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from framework.errors import FrameworkError, StorageError
from framework.storages import Stat, Storage
from framework_run.folders import is_packed, pack, unpack

_OBJECT = re.compile(r"(?P<root>.+)/sha256/(?P<first>[0-9a-f]{2})/(?P<rest>[0-9a-f]{62})")
_CHUNK = 1024 * 1024  # bytes copied at once


class ObjectStorage(Storage):
    """Content in a file system of fsspec.

    Args:
        url: ``scheme://place/prefix``, or the URI of an object in it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        found = _OBJECT.fullmatch(url)
        scheme, _, path = (found["root"] if found else url).partition("://")
        self.scheme: str = scheme
        self.path: str = path.strip("/")
        self.root = f"{self.scheme}://{self.path}"
        if not self.path or any(sign in self.path for sign in "?#"):
            raise StorageError(f"{url!r} names no place for objects", advice=f"Write {scheme or 's3'}://bucket/prefix.")
        self._system: Any = None

    @property
    def system(self) -> Any:
        """The file system, made when it is first used.

        Raises:
            StorageError: What it needs is not installed.
        """
        if self._system is None:
            self._system = self.make_system()
        return self._system

    def make_system(self) -> Any:
        """The file system of this scheme."""
        import fsspec  # type: ignore[import-untyped]

        return fsspec.filesystem(self.scheme)

    def upload(self, path: str, target: str, md5: str) -> None:  # noqa: ARG002  for those that know it of objects
        """Make an object of a file, whole or not at all; one that is there is replaced by the same, which mends it."""
        self.system.put_file(path, target)

    def put(self, source: Path | BinaryIO | bytes) -> Stat:
        """Keep a file, a folder or bytes."""
        with (
            tempfile.NamedTemporaryFile(prefix="framework-put-") as spool,
            self._refusing(f"{self.url} did not take it"),
        ):
            sha256, md5, size = _spooled(source, spool)
            spool.flush()
            name = f"sha256/{sha256[:2]}/{sha256[2:]}"
            self.upload(spool.name, f"{self.path}/{name}", md5)
        return Stat(uri=f"{self.root}/{name}", size=size, digest=f"sha256:{sha256}")

    def open(self, uri: str) -> BinaryIO:
        """The content, fetched and verified before it is given."""
        stream = tempfile.TemporaryFile(prefix="framework-open-")  # noqa: SIM115  it is what is given
        try:
            self._fetch(uri, stream)
        except BaseException:
            stream.close()
            raise
        return stream

    def get(self, uri: str, target: Path) -> Path:
        """Copy a file, or unpack a folder; it is at its place when all of it is there and verified."""
        if target.exists() or target.is_symlink():
            raise StorageError(f"{str(target)!r} is there already", advice="Name another place.")
        digest_of(uri)  # refused before a folder is made
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name[:100]}.{os.getpid()}-{os.urandom(4).hex()}.part")
        try:
            with partial.open("x+b") as stream:
                self._fetch(uri, stream)
                if is_packed(stream):
                    partial.unlink()
                    unpack(stream, str(partial))
            partial.rename(target)
        except OSError as error:
            raise StorageError(
                f"{str(target)!r} cannot be written: {error.strerror or error}", advice="Name another place."
            ) from error
        finally:
            _remove(partial)
        return target

    def list(self) -> Iterator[Stat]:
        """Everything that is kept, in the order of digests."""
        with self._refusing(f"{self.url} cannot be listed"):
            self.system.invalidate_cache()
            found = self.system.find(f"{self.path}/sha256", detail=True)
        for name, info in sorted(found.items()):
            uri = f"{self.scheme}://{str(name).lstrip('/')}"
            if _OBJECT.fullmatch(uri):
                yield Stat(uri=uri, size=int(info["size"]), digest=digest_of(uri))

    def stat(self, uri: str) -> Stat:
        """What is known of one object."""
        digest = digest_of(uri)
        with self._refusing(f"{uri} cannot be read", uri):
            info = self.system.info(self._place(uri))
        return Stat(uri=uri, size=int(info["size"]), digest=digest)

    def delete(self, uri: str) -> None:
        """Remove one object of this storage."""
        digest_of(uri)
        if not uri.startswith(f"{self.root}/sha256/"):
            raise StorageError(f"{uri} is not in the storage {self.url}", advice="Delete it where it is.")
        with self._refusing(f"{uri} cannot be removed"):
            try:
                self.system.rm_file(self._place(uri))
            except FileNotFoundError:
                return

    def runner(self) -> dict[str, Any]:
        """Contents come in events: the run side has no client of any file system."""
        return {"target": "framework_run.inlinestore:Store", "options": {}}

    def _fetch(self, uri: str, stream: IO[bytes]) -> None:
        """Copy an object to a file, and verify it; the file's position is at the beginning afterwards."""
        digest, content = digest_of(uri), hashlib.sha256()
        with self._refusing(f"{uri} cannot be read", uri), self.system.open(self._place(uri), "rb") as source:
            while piece := source.read(_CHUNK):
                content.update(piece)
                stream.write(piece)
        found = f"sha256:{content.hexdigest()}"
        if found != digest:
            raise StorageError(f"{uri} has changed: it should be {digest} and is {found}", advice="Run it again.")
        stream.seek(0)

    def _place(self, uri: str) -> str:
        scheme, _, place = uri.partition("://")
        if scheme != self.scheme:
            raise StorageError(f"{uri!r} is no object of {self.url}", advice=f"Write {self.scheme}://…")
        return place

    @contextmanager
    def _refusing(self, what: str, uri: str = "") -> Iterator[None]:
        """Say errors of the file system, whichever library they come from, as ours."""
        try:
            yield
        except FrameworkError:
            raise
        except FileNotFoundError as error:
            if not uri:
                raise StorageError(f"{what}: {error}", advice="Check that the place exists.") from error
            advice = "It was deleted, or lies elsewhere; run it again."
            raise StorageError(f"{uri} is not there", advice=advice) from error
        except Exception as error:
            raise StorageError(f"{what}: {_gist(error)}", advice=self.advice(error)) from error

    def advice(self, error: Exception) -> str:
        """How to mend what a library has raised."""
        return "Make room, and try again." if "space" in str(error) else "Check its address and permissions."


def digest_of(uri: str) -> str:
    """The digest that an object must have, which is in its name.

    Raises:
        StorageError: It is no object by its form.
    """
    found = _OBJECT.fullmatch(uri)
    if not found:
        raise StorageError(f"{uri!r} is no object of a storage", advice="Write scheme://place/sha256/ab/cdef…")
    return f"sha256:{found['first']}{found['rest']}"


def _spooled(source: Path | BinaryIO | bytes, spool: IO[bytes]) -> tuple[str, str, int]:
    """Copy what is to be kept aside: what is sent is what was counted, whatever happens to its source meanwhile."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for piece in _pieces(source, spool):
        sha256.update(piece)
        md5.update(piece)
        size += len(piece)
    return sha256.hexdigest(), md5.hexdigest(), size


def _pieces(source: Path | BinaryIO | bytes, spool: IO[bytes]) -> Iterator[bytes]:
    """The content, which is in the spool when all of it was given."""
    if isinstance(source, Path) and source.is_dir():
        pack(str(source), spool)
        spool.seek(0)
        yield from iter(lambda: spool.read(_CHUNK), b"")
        return
    if isinstance(source, bytes):
        spool.write(source)
        yield source
        return
    stream = source.open("rb") if isinstance(source, Path) else source
    try:
        while piece := stream.read(_CHUNK):
            spool.write(piece)
            yield piece
    finally:
        if isinstance(source, Path):
            stream.close()


def _gist(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)
