"""Files of a folder, named by their content, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from framework_run.folders import pack

_CHUNK = 1024 * 1024  # bytes copied at once


class Store:
    """What the runner makes and calls in the handler's process, and the planning side uses as well.

    Args:
        root: The folder; made when something is put.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root)

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
        """Keep what is read from a stream."""
        self.root.mkdir(parents=True, exist_ok=True)
        content, size = hashlib.sha256(), 0
        fd, partial = tempfile.mkstemp(dir=self.root, prefix=".")
        try:
            with open(fd, "wb") as target:  # noqa: PTH123  a descriptor
                while piece := source.read(_CHUNK):
                    content.update(piece)
                    size += len(piece)
                    target.write(piece)
                target.flush()
                os.fsync(fd)
            Path(partial).replace(self.root / content.hexdigest())
        finally:
            Path(partial).unlink(missing_ok=True)
        digest = f"sha256:{content.hexdigest()}"
        return {"uri": f"template://{self.root}#{digest}", "digest": digest, "size": size}
