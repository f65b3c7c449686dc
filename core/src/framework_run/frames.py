r"""Frames: events on a stream that others write to as well (docs/architecture.md, "Frame, version 1").

One frame is ``\n#fw1 TOKEN CRC ID PART/PARTS PAYLOAD\n``, ASCII, at most `LIMIT` bytes, so that one write of it is atomic on a
pipe and no container runtime splits it.
"""

from __future__ import annotations

import itertools
import json
import os
import zlib

from framework_run.events import Event

LIMIT = 4096  # bytes of a whole frame: PIPE_BUF on Linux
MAX_PARTIAL = 256  # messages whose parts are awaited at once; the oldest goes first
_MARK = b"\n#fw1 "
_counter = itertools.count()


def encode(event: Event, token: str) -> list[bytes]:
    """The frames of an event.

    Args:
        event: Any JSON object.
        token: The submission's token; no spaces.

    Returns:
        Frames of at most `LIMIT` bytes each, to be written one write each, in order.
    """
    text = json.dumps(event, separators=(",", ":")).encode("ascii")
    name = f"{os.getpid():x}.{next(_counter):x}"
    room = LIMIT - len(_MARK) - len(token) - len(name) - 8 - 2 * 7 - 6
    count = max(1, -(-len(text) // room))
    frames = []
    for part in range(count):
        body = b"%s %d/%d %s" % (name.encode(), part + 1, count, text[part * room : (part + 1) * room])
        frames.append(b"%s%s %08x %s\n" % (_MARK, token.encode(), zlib.crc32(body), body))
    return frames


class Decoder:
    """Takes frames out of a stream and leaves everyone else's bytes as they were written.

    Args:
        token: The submission's token; frames with another are foreign text.
    """

    def __init__(self, token: str) -> None:
        self._head = _MARK + token.encode() + b" "
        self._buffer = b""
        self._partial: dict[bytes, list[bytes | None]] = {}

    def feed(self, data: bytes) -> list[Event | bytes]:
        """Events and foreign bytes in the order of the stream, as far as they can be told apart yet."""
        self._buffer += data
        found: list[Event | bytes] = []
        while self._step(found):
            pass
        return found

    def close(self) -> list[Event | bytes]:
        """What is left at the end of the stream: foreign bytes."""
        rest, self._buffer = self._buffer, b""
        return [rest] if rest else []

    def _step(self, found: list[Event | bytes]) -> bool:
        """Take one piece off the buffer; False when more data is needed."""
        start = self._buffer.find(self._head)
        if start < 0:
            keep = _overlap(self._buffer, self._head)
            self._give(found, len(self._buffer) - keep)
            return False
        self._give(found, start)
        end = self._buffer.find(b"\n", len(self._head))
        if end < 0:
            if len(self._buffer) < LIMIT:
                return False
            self._give(found, 1)  # too long for a frame: foreign
            return True
        event = self._frame(self._buffer[len(self._head) : end])
        if event is None:
            self._give(found, 1)
            return True
        self._buffer = self._buffer[end + 1 :]
        if event:
            found.append(event)
        return True

    def _give(self, found: list[Event | bytes], count: int) -> None:
        if count <= 0:
            return
        piece, self._buffer = self._buffer[:count], self._buffer[count:]
        if found and isinstance(found[-1], bytes):
            found[-1] += piece
        else:
            found.append(piece)

    def _frame(self, text: bytes) -> Event | None:
        """The event that this frame completes; empty when parts are missing; None when it is no frame."""
        crc, _, body = text.partition(b" ")
        try:
            if int(crc, 16) != zlib.crc32(body):
                return None
            name, place, payload = body.split(b" ", 2)
            part, count = (int(number) for number in place.split(b"/"))
        except ValueError:
            return None
        return self._part(name, part, count, payload)

    def _part(self, name: bytes, part: int, count: int, payload: bytes) -> Event | None:
        if count == 1:
            return _event(payload)
        parts = self._partial.setdefault(name, [None] * count)
        if not 0 < part <= len(parts):
            return None
        parts[part - 1] = payload
        if any(piece is None for piece in parts):
            while len(self._partial) > MAX_PARTIAL:
                del self._partial[next(iter(self._partial))]
            return {}
        del self._partial[name]
        return _event(b"".join(piece for piece in parts if piece is not None))


def _event(text: bytes) -> Event | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _overlap(buffer: bytes, head: bytes) -> int:
    """How many bytes at the end of the buffer may be the beginning of a head."""
    for length in range(min(len(buffer), len(head) - 1), 0, -1):
        if head.startswith(buffer[-length:]):
            return length
    return 0
