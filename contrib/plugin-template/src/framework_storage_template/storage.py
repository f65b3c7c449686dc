"""The planning side: put, open, get, list, stat, delete."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from framework.errors import StorageError
from framework.storages import Stat, Storage
from framework_run.folders import is_packed, unpack
from framework_storage_template.runside.store import Store

_URL = re.compile(r"template://(?P<root>/[^#]*)(#sha256:(?P<digest>[0-9a-f]{64}))?")
_CHUNK = 1024 * 1024  # bytes copied at once


class TemplateStorage(Storage):
    """Files of a folder, named by their content.

    Args:
        url: ``template:///folder``, or the URI of an object in it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        match = _URL.fullmatch(url)
        if match is None:
            raise StorageError(f"{url!r} is no URL of this storage", advice="Write template:///folder.")
        self._store = Store(match["root"])

    def put(self, source: Path | BinaryIO | bytes) -> Stat:
        """Keep a file, a folder or bytes."""
        try:
            if isinstance(source, Path):
                return Stat(**self._store.put(str(source)))
            return Stat(**self._store.put_stream(io.BytesIO(source) if isinstance(source, bytes) else source))
        except OSError as error:
            raise StorageError(f"{self.url} did not take it: {error}", advice="Make room there.") from error

    def open(self, uri: str) -> BinaryIO:
        """The content, verified before it is given."""
        path = self._path(uri)
        stream = path.open("rb")
        content = hashlib.sha256()
        while piece := stream.read(_CHUNK):
            content.update(piece)
        if content.hexdigest() != path.name:
            stream.close()
            raise StorageError(
                f"{uri} has changed: it should be sha256:{path.name} and is sha256:{content.hexdigest()}",
                advice="Run it again.",
            )
        stream.seek(0)
        return stream

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
                        shutil.copyfileobj(source, copy, _CHUNK)
            partial.rename(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)
            raise StorageError(f"{str(target)!r} cannot be written: {error}", advice="Make room there.") from error
        return target

    def list(self) -> Iterator[Stat]:
        """Everything that is kept."""
        for path in sorted(self._store.root.glob("[0-9a-f]*")):
            yield self.stat(f"template://{self._store.root}#sha256:{path.name}")

    def stat(self, uri: str) -> Stat:
        """What is known of one object."""
        path = self._path(uri)
        return Stat(uri=uri, size=path.stat().st_size, digest=f"sha256:{path.name}")

    def delete(self, uri: str) -> None:
        """Remove one object."""
        self._path(uri, missing_ok=True).unlink(missing_ok=True)

    def runner(self) -> dict[str, Any]:
        """The same folder, reached by the run side."""
        target = "framework_run.plugins.framework_storage_template.store:Store"
        return {"target": target, "options": {"root": str(self._store.root)}}

    def _path(self, uri: str, *, missing_ok: bool = False) -> Path:
        """Where an object lies, which is told by its digest alone: nothing outside of the folder can be named."""
        match = _URL.fullmatch(uri)
        if match is None or match["digest"] is None or Path(match["root"]) != self._store.root:
            raise StorageError(f"{uri!r} is no object of {self.url}", advice="See: framework artifacts list")
        path = self._store.root / match["digest"]
        if not missing_ok and not path.is_file():
            raise StorageError(f"{uri} is not there", advice="It was deleted; run it again.")
        return path
