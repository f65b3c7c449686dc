"""A folder of content: ``ROOT/sha256/ab/cdef…``, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

_CHUNK = 1 << 20  # bytes copied at once


class Store:
    """Keeps files by their content.

    Args:
        root: The folder; made when something is put.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def put(self, path: str) -> dict[str, Any]:
        """Keep a file, or a folder as a deterministic tar archive.

        Returns:
            uri, digest (sha256:…) and size in bytes.

        Raises:
            OSError: It could not be kept; nothing is left of it.
        """
        if os.path.isdir(path):
            with self._temporary() as stream:
                pack(path, stream)
                return self._keep(stream)
        with open(path, "rb") as source:
            return self.put_stream(source)

    def put_stream(self, source: BinaryIO) -> dict[str, Any]:
        """As `put`, for what is read from a stream."""
        with self._temporary() as stream:
            while piece := source.read(_CHUNK):
                stream.write(piece)
            return self._keep(stream)

    def path_of(self, digest: str) -> str:
        """Where the content with a digest lies."""
        algorithm, _, name = digest.partition(":")
        return os.path.join(self.root, algorithm, name[:2], name[2:])

    @contextmanager
    def _temporary(self) -> Iterator[Any]:
        folder = os.path.join(self.root, "incoming")
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as stream:
            try:
                yield stream
            finally:
                if os.path.exists(stream.name):
                    os.unlink(stream.name)

    def _keep(self, stream: Any) -> dict[str, Any]:
        stream.flush()
        os.fsync(stream.fileno())
        size = stream.tell()
        stream.seek(0)
        digest = digest_of(stream.name)
        target = self.path_of(digest)
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.chmod(stream.name, 0o444)
            os.replace(stream.name, target)
            _sync_folder(os.path.dirname(target))
        return {"uri": f"file://{os.path.abspath(target)}", "digest": digest, "size": size}


def digest_of(path: str) -> str:
    """``sha256:…`` of a file's content."""
    content = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(_CHUNK):
            content.update(piece)
    return f"sha256:{content.hexdigest()}"


def pack(folder: str, stream: Any) -> None:
    """A folder as a tar archive that is the same for the same names and contents: sorted, without times and owners."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for place, folders, names in sorted(os.walk(folder)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(place, name)
                archive.add(path, arcname=os.path.relpath(path, folder), recursive=False, filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mtime = info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    return info


def _sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
