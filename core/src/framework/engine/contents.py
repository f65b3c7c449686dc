"""Contents that came in events, of a run that reaches no storage: they are put into the storage on this side."""

from __future__ import annotations

import binascii
import hashlib
import io
import zlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from framework.errors import BackendError
from framework_run.events import Event

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.storages import Storage

_CHUNK = 256 * 1024  # bytes unpacked at once


def stored(session: Session, uid: str, events: list[Event]) -> list[Event]:
    """The events with a ``uri`` in place of each content; the contents are in the run's storage.

    Called before events are applied, so that an artifact in the database has its content. Putting the same content
    again, after a client that died in between, changes nothing.

    Args:
        session: Whose storage it is, where the run has no artifact path of its own.
        uid: The run.
        events: As a runtime gave them.

    Raises:
        StorageError: The storage did not take one; nothing may be applied then, and the next try has all of them again.
        BackendError: A content is not what its digest says.
    """
    if not any(_has_content(event) for event in events):
        return events
    spec = session.database.active_run(uid).document.get("spec", {})
    storage = session.storage_at(spec.get("artifact_path", ""))
    return [_stored(storage, event) if _has_content(event) else event for event in events]


def _has_content(event: Event) -> bool:
    return event["kind"] == "artifact" and "content" in event["data"]


def _stored(storage: Storage, event: Event) -> Event:
    data: dict[str, Any] = dict(event["data"])
    try:
        packed = b64decode(data.pop("content"), validate=True)
        found = _digest(packed)
    except (binascii.Error, zlib.error) as error:
        raise _damaged(data, str(error)) from error
    if found != data["digest"]:
        raise _damaged(data, f"it is {found}")
    kept = storage.put(io.BufferedReader(_Unpacked(packed), _CHUNK))
    return {**event, "data": {**data, "uri": kept.uri}}


def _digest(packed: bytes) -> str:
    content, unpacked = hashlib.sha256(), _Unpacked(packed)
    while piece := unpacked.read(_CHUNK):
        content.update(piece)
    return f"sha256:{content.hexdigest()}"


def _damaged(data: dict[str, Any], why: str) -> BackendError:
    return BackendError(
        f"the content of the artifact {data['key']!r} is not what its digest {data['digest']} says: {why}",
        advice="The run's carrier is damaged: run it again.",
    )


class _Unpacked(io.RawIOBase):
    """Compressed bytes, unpacked as they are read: a content may be many times what came.

    Args:
        packed: As zlib wrote them.
    """

    def __init__(self, packed: bytes) -> None:
        self._rest = packed
        self._unpack = zlib.decompressobj()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give the next bytes.

        Raises:
            zlib.error: They are no zlib stream, or not a whole one.
        """
        piece = self._unpack.decompress(self._rest, len(buffer))
        self._rest = self._unpack.unconsumed_tail
        if not piece and not self._unpack.eof:
            raise zlib.error("it ends too soon")
        buffer[: len(piece)] = piece
        return len(piece)
