"""The store of a run that reaches no storage: the content of its artifacts travels in its events."""

from __future__ import annotations

import hashlib
import os
import zlib
from base64 import b64encode
from typing import Any, Final

from framework_run.errors import StorageError

MOST_INLINE: Final = 4 * 1024 * 1024
"""Bytes, compressed, that the artifacts of one run may have in its events."""

_CHUNK: Final = 1024 * 1024  # bytes read at once


class Store:
    """Gives contents to be sent with the events of artifacts, up to a limit for all of them together.

    Args:
        limit: Bytes, compressed.
        keep: A folder where what is over the limit is left, for who comes for it while the place of the run
            is still there (the carrier's ``hold``); empty for none.
    """

    def __init__(self, limit: int = MOST_INLINE, keep: str = "") -> None:
        self._limit = limit
        self._keep = keep
        self._sent = 0

    def put(self, path: str) -> dict[str, Any]:
        """Compress a file.

        Returns:
            digest (``sha256:…``), size in bytes, and content (base64 of zlib).

        Raises:
            StorageError: The limit is reached; what was given before is not touched by that.
            OSError: It cannot be read.
        """
        digest, size, packed = hashlib.sha256(), 0, zlib.compressobj()
        pieces: list[bytes] = []
        room = self._limit - self._sent
        with open(path, "rb") as file:  # noqa: PTH123  pathlib is slow to import on the run side
            while (piece := file.read(_CHUNK)) and room >= 0:
                digest.update(piece)
                size += len(piece)
                pieces.append(packed.compress(piece))
                room -= len(pieces[-1])
        pieces.append(packed.flush())
        room -= len(pieces[-1])
        if room < 0:
            raise self._refusal(path)
        self._sent = self._limit - room
        content = b64encode(b"".join(pieces)).decode("ascii")
        return {"digest": f"sha256:{digest.hexdigest()}", "size": size, "content": content}

    def _refusal(self, path: str) -> StorageError:
        size = os.path.getsize(path)  # noqa: PTH202
        message = (
            "the run reaches no storage, and in its events its artifacts may have "
            f"{self._limit / 1024**2:g} MiB in all, compressed: {self._sent:,} bytes are used, and this one of "
            f"{size:,} bytes is more than the rest"
        )
        advice = "Give the run an artifact path that it can reach, such as s3://bucket/prefix, or log less."
        if self._keep:
            place = _left(path, self._keep)
            advice = f"It is left at {place} where the run was, as long as that stays. {advice}"
        return StorageError(message, advice=advice)


def _left(path: str, folder: str) -> str:
    """Copy a file to a folder under a name of its own; returns the copy's path."""
    import shutil

    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    name, number = os.path.basename(path), 0  # noqa: PTH119
    while os.path.exists(place := os.path.join(folder, f"{number}-{name}")):  # noqa: PTH110, PTH118
        number += 1
    shutil.copyfile(path, place)
    return place
