"""A folder of content: ``ROOT/sha256/ab/cdef…``, written whole or not at all.

Both sides use it. An object is written under another name in ``ROOT/incoming``, forced to the disk, and renamed; it is
read-only from the beginning. Its writer holds the kernel's lock on the unfinished file, so whoever finds one that is
not locked knows that its writer is dead, and removes it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO

_CHUNK = 1024 * 1024  # bytes copied at once
_MODE = 0o444  # content is never changed; who else may read it is the umask's to say


class Store:
    """Keeps files by their content.

    Args:
        root: The folder; made when something is put.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self._is_clean = False

    def put(self, path: str) -> dict[str, Any]:
        """Keep a file, or a folder as an archive that depends on names and contents only.

        Args:
            path: Of the file or folder.

        Returns:
            uri, digest (``sha256:…``) and size in bytes.

        Raises:
            OSError: It cannot be read or could not be kept; nothing is left of it.
        """
        if os.path.isdir(path):
            from framework_run.folders import pack

            with self._incoming() as (stream, name):
                pack(path, stream)
                stream.seek(0)
                return self._keep(stream, name, digest_of(stream))
        with open(path, "rb") as source:
            return self.put_stream(source)

    def put_stream(self, source: BinaryIO) -> dict[str, Any]:
        """As `put`, for what is read from a stream."""
        content = hashlib.sha256()
        with self._incoming() as (stream, name):
            while piece := source.read(_CHUNK):
                content.update(piece)
                stream.write(piece)
            return self._keep(stream, name, f"sha256:{content.hexdigest()}")

    def path_of(self, digest: str) -> str:
        """Where the content with a digest lies, or would."""
        algorithm, _, name = digest.partition(":")
        return os.path.join(self.root, algorithm, name[:2], name[2:])

    def clean(self) -> int:
        """Remove what writers that are dead have left unfinished; returns how many files that were."""
        folder = os.path.join(self.root, "incoming")
        try:
            names = os.listdir(folder)
        except OSError:
            return 0
        return sum(_removed_if_abandoned(os.path.join(folder, name)) for name in names)

    @contextmanager
    def _incoming(self) -> Iterator[tuple[IO[bytes], str]]:
        """A file that is being written, and its name; it is gone afterwards, unless it was renamed."""
        if not self._is_clean:
            self.clean()
            self._is_clean = True
        folder = os.path.join(self.root, "incoming")
        os.makedirs(folder, exist_ok=True)
        fd, name = _locked(folder)
        try:
            with open(fd, "w+b") as stream:
                yield stream, name
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)

    def _keep(self, stream: IO[bytes], name: str, digest: str) -> dict[str, Any]:
        """Give a written file its place; what is there already is replaced by the same, which mends it if damaged."""
        stream.flush()
        os.fsync(stream.fileno())
        size = os.fstat(stream.fileno()).st_size
        target = self.path_of(digest)
        _make(os.path.dirname(target))
        os.replace(name, target)
        _sync(os.path.dirname(target))
        return {"uri": uri_of(target), "digest": digest, "size": size}


def uri_of(path: str) -> str:
    """The ``file://`` URI of a path; signs that mean something in a URI are percent-encoded (RFC 8089)."""
    from urllib.parse import quote

    return f"file://{quote(path)}"


def digest_of(stream: IO[bytes]) -> str:
    """``sha256:…`` of a file from its position on; its position is at the beginning afterwards."""
    content = hashlib.sha256()
    while piece := stream.read(_CHUNK):
        content.update(piece)
    stream.seek(0)
    return f"sha256:{content.hexdigest()}"


def _locked(folder: str) -> tuple[int, str]:
    """Make a file of a new name and lock it."""
    while True:
        name = os.path.join(folder, f"{os.getpid()}-{os.urandom(8).hex()}")
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _MODE)
        # Whoever cleans up may have locked it between the two calls, and then it is removed.
        if _lock(fd) is not False and os.fstat(fd).st_nlink:
            return fd, name
        os.close(fd)


def _removed_if_abandoned(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        if not _lock(fd):
            return False
        os.unlink(path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _lock(fd: int) -> bool | None:
    """Take the lock of an open file without waiting.

    Returns:
        False when somebody else has it; None where there are no locks: then nothing is known, and nothing is removed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in {errno.EAGAIN, errno.EACCES} else None
    return True


def _make(folder: str) -> None:
    """Make a folder, and have its name on the disk."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for name in reversed(missing):
        with suppress(FileExistsError):  # another writer was faster
            os.mkdir(name)
        _sync(os.path.dirname(name))


def _sync(folder: str) -> None:
    """Force the names in a folder to the disk, where the system can."""
    if os.name == "nt":
        return
    try:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:  # one that may not be read, or a file system that has no such thing for folders
        if error.errno not in {errno.EINVAL, errno.EBADF, errno.EACCES}:
            raise
