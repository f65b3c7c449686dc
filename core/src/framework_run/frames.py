r"""Frames: events on a stream that others write to as well (docs/architecture.md, "Frame, version 1").

One frame is ``\n#fw1 TOKEN CRC ID PART/PARTS PAYLOAD\n``, ASCII, at most `LIMIT` bytes, so that one write of it is
atomic on a pipe and no container runtime splits it.
"""

from __future__ import annotations

import itertools
import json
import os
import zlib

from framework_run.events import Event

LIMIT = 4096  # bytes of a whole frame: PIPE_BUF on Linux
MAX_MESSAGE = 16 << 20  # bytes of one event's text
MAX_WAITING = 4 * MAX_MESSAGE  # bytes of incomplete messages that a decoder keeps
MAX_MESSAGES = 1024  # incomplete messages that a decoder keeps; those without news for longest go first
_MARK = b"\n#fw1 "
_PART_COST = 100  # bytes that one kept part costs beside its payload
_counter = itertools.count()
_salt = os.urandom(4).hex()  # process ids repeat between the machines whose output is merged


def encode(event: Event, token: str) -> list[bytes]:
    """The frames of an event.

    Args:
        event: Any JSON object.
        token: The submission's token: ASCII without white space.

    Returns:
        Frames of at most `LIMIT` bytes each, to be written one write each, in order.

    Raises:
        ValueError: Its text is longer than `MAX_MESSAGE`; `PackingError` of a result.
    """
    text = json.dumps(event, separators=(",", ":")).encode("ascii")
    if len(text) > MAX_MESSAGE:
        from framework_run.oversize import too_large

        raise too_large(event, len(text), MAX_MESSAGE)
    head = _MARK + token.encode("ascii") + b" "
    name = f"{os.getpid():x}.{_salt}.{next(_counter):x}".encode()
    room = LIMIT - len(head) - len(name) - len("CRC32678  9999999/9999999 \n")
    count = max(1, -(-len(text) // room))
    frames = []
    for part in range(count):
        body = b"%s %d/%d %s" % (name, part + 1, count, text[part * room : (part + 1) * room])
        frames.append(b"%s%08x %s\n" % (head, zlib.crc32(body), body))
    return frames


class Decoder:
    """Takes frames out of a stream and leaves everyone else's bytes as they were written.

    Args:
        token: The submission's token; frames with another are foreign text.
    """

    def __init__(self, token: str) -> None:
        self._head = _MARK + token.encode("ascii") + b" "
        self._rest = b""
        self._messages: dict[bytes, _Message] = {}
        self._waiting = 0  # bytes of incomplete messages

    @property
    def settled(self) -> bool:
        """Whether no message is incomplete: whoever goes on from here with another decoder misses nothing."""
        return not self._messages

    def feed(self, data: bytes) -> list[Event | bytes]:
        """Events and foreign bytes in the order of the stream, as far as they can be told apart yet."""
        buffer = self._rest + data
        found: list[Event | bytes] = []
        given = search = 0
        while (start := buffer.find(self._head, search)) >= 0:
            text = start + len(self._head)
            end = buffer.find(b"\n", text, start + LIMIT)
            if end < 0 and len(buffer) < start + LIMIT:
                break
            event = self._frame(buffer[text:end]) if end >= 0 else None
            if event is None:  # damaged, or too long for a frame: foreign, but for what may begin within
                search = start + 1
                continue
            _give(found, buffer[given:start])
            if event:
                found.append(event)
            given = search = end + 1
        if start < 0:
            start = self._beginning(buffer, search)
        _give(found, buffer[given:start])
        self._rest = buffer[start:]
        return found

    def close(self) -> list[Event | bytes]:
        """What is left at the end of the stream: foreign bytes."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _beginning(self, buffer: bytes, search: int) -> int:
        """Where the bytes at the end may be the beginning of a head; the buffer's length where they are not."""
        start = buffer.rfind(b"\n", max(search, len(buffer) - len(self._head) + 1))
        return start if start >= 0 and self._head.startswith(buffer[start:]) else len(buffer)

    def _frame(self, text: bytes) -> Event | None:
        """The event that this frame completes; empty when parts are missing; None when it is no frame."""
        crc, _, body = text.partition(b" ")
        if crc != b"%08x" % zlib.crc32(body):
            return None
        try:
            name, place, payload = body.split(b" ", 2)
            part, count = (int(number) for number in place.split(b"/"))
        except ValueError:
            return None
        if not 1 <= part <= count:
            return None
        return _event(payload) if count == 1 else self._part(name, part, count, payload)

    def _part(self, name: bytes, part: int, count: int, payload: bytes) -> Event | None:
        message = self._messages.pop(name, None) or _Message(count)
        if count != message.count:
            self._messages[name] = message
            return None
        before = message.size
        message.add(part, payload)
        self._waiting += message.size - before
        if len(message.parts) == count:
            self._waiting -= message.size
            return _event(message.text())
        self._messages[name] = message  # the last now: the first is the one without news for longest
        while self._messages and (self._waiting > MAX_WAITING or len(self._messages) > MAX_MESSAGES):
            self._waiting -= self._messages.pop(next(iter(self._messages))).size
        return {}


class _Message:
    """The parts of one event that have come so far."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.parts: dict[int, bytes] = {}
        self.size = 0  # bytes

    def add(self, part: int, payload: bytes) -> None:
        if part not in self.parts:
            self.parts[part] = payload
            self.size += len(payload) + _PART_COST

    def text(self) -> bytes:
        return b"".join(self.parts[part] for part in range(1, self.count + 1))


def _give(found: list[Event | bytes], piece: bytes) -> None:
    if not piece:
        return
    if found and isinstance(found[-1], bytes):
        found[-1] += piece
    else:
        found.append(piece)


def _event(text: bytes) -> Event | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event else None
