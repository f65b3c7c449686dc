"""The closing digest: said last on a stream whose beginning may be gone by the time that it is read.

A container's log is rotated, and what is read of it is its end. So a carrier may ask (``digest``) that everything but
log lines is said once more, in one document, behind the end; and (``termination``) that a note of the end with the
document's hash is written to a file, which Kubernetes keeps with the pod's status. Events have numbers, so who reads
both the frames and the digest applies each of them once. What is printed before the process ends may be rotated away
as well, so whoever stays says the end of the log and the digest again (`framework_run.holding`).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from framework_run.carriers import Carrier
    from framework_run.events import Event

LIMIT: Final = 1 << 20
"""Bytes of the events in a digest; of more, metrics go first, then artifacts, then the rest, the oldest first."""
NOTE_LIMIT: Final = 4096
"""Bytes of a termination message (Kubernetes: terminationMessagePath)."""
TAIL: Final = 1 << 20
"""Characters of the end of the log that are said again with the digest."""

_LEFT_OUT: Final = frozenset({"log", "heartbeat"})
_LAST_ONLY: Final = frozenset({"progress", "peak"})  # where the latest says it all
_ORDER: Final = ("metric", "artifact", "other")  # in which they are cut


class Closing:
    """A carrier that closes with a digest, a note, or both.

    Args:
        carrier: The carrier that takes everything.
        digest: Whether the digest is said.
        termination: The path of the note; empty for none.
    """

    def __init__(self, carrier: Carrier, *, digest: bool, termination: str) -> None:
        self._carrier = carrier
        self._says_digest = digest
        self._termination = termination
        self._kept: dict[str, deque[tuple[int, str]]] = {name: deque() for name in _ORDER}
        self._last: dict[tuple[str, str], tuple[int, str]] = {}
        self._frame: list[tuple[int, str]] = []  # the beginning and the end of the run, which are never cut
        self._size = 0
        self._cut = 0
        self._said: dict[str, Any] | None = None  # the digest, when it has been
        self._tail: deque[Event] = deque()
        self._tail_size = 0
        self.written = 0  # bytes of what it was given

    def write(self, event: Event) -> None:
        """Write an event; behind the end, the digest and the note.

        Raises:
            OSError: As the carrier's.
        """
        self._carrier.write(event)
        text = _text(event)
        self.written += len(text)
        if event["kind"] in _LEFT_OUT:
            if self._says_digest and event["kind"] == "log":
                self._keep(event)
            return
        if self._says_digest:
            self._remember(event, text)
        if event["kind"] == "end" and "child" not in event:
            self._close(event["data"])

    def flush(self) -> None:
        """As the carrier's."""
        self._carrier.flush()

    def close(self) -> None:
        """As the carrier's."""
        self._carrier.close()

    def say_again(self) -> None:
        """Say the end of the log and the digest once more, for who can read only what comes from now on.

        Nothing is said where no digest was.
        """
        if self._said is None:
            return
        with suppress(OSError):  # it was said before
            for document in (*self._tail, self._said):
                self._carrier.write(document)

    def _keep(self, event: Event) -> None:
        self._tail.append(event)
        self._tail_size += len(event["data"]["text"])
        while self._tail_size > TAIL:
            self._tail_size -= len(self._tail.popleft()["data"]["text"])

    def _remember(self, event: Event, text: str) -> None:
        kind, item = event["kind"], (event["seq"], text)
        if kind in _LAST_ONLY:
            self._last[kind, event.get("child", "")] = item
        elif kind in ("state", "end") and "child" not in event:
            self._frame.append(item)
        else:
            self._kept[kind if kind in _ORDER else "other"].append(item)
            self._size += len(item[1])
        while self._size > LIMIT:
            oldest = next(self._kept[name] for name in _ORDER if self._kept[name])
            self._size -= len(oldest.popleft()[1])
            self._cut += 1

    def _close(self, end: dict[str, Any]) -> None:
        note = {name: end.get(name) for name in ("state", "cause", "message", "exit_code", "events")}
        try:
            if self._says_digest:
                document = self._document()
                note["digest"] = hash_of(document)
                self._carrier.write(document)
                self._said = document
        except (OSError, ValueError) as error:  # the end itself is written
            sys.stderr.write(f"the closing digest could not be written: {error}\n")
        if self._termination:
            _write_note(self._termination, note)

    def _document(self) -> dict[str, Any]:
        items = [*self._frame, *self._last.values(), *(item for kept in self._kept.values() for item in kept)]
        return {"digest": 1, "events": [json.loads(text) for _, text in sorted(items)], "cut": self._cut}


def closed(carrier: Carrier, options: dict[str, Any]) -> Closing:
    """The carrier, closed as its options (the submission's ``carrier``) ask for."""
    return Closing(carrier, digest=bool(options.get("digest")), termination=options.get("termination") or "")


def is_digest(document: Event) -> bool:
    """Whether what a decoder of frames gave is a closing digest, and no event."""
    return document.get("digest") == 1


def events_of(document: dict[str, Any]) -> list[Event]:
    """The events of a closing digest, in order, to be applied as any others.

    Raises:
        ValueError: It is no closing digest.
    """
    events = document.get("events")
    if not is_digest(document) or not isinstance(events, list):
        raise ValueError(f"this is no closing digest: {_text(document)[:100]}")
    return [event for event in events if isinstance(event, dict)]


def hash_of(document: dict[str, Any]) -> str:
    """The ``sha256:…`` of a closing digest, as its termination message says it."""
    return f"sha256:{hashlib.sha256(_text(document).encode('ascii')).hexdigest()}"


def read_note(text: str) -> dict[str, Any]:
    """The runner's termination message: state, cause, message, exit_code, events, digest.

    Returns:
        The note; empty where the text is another's, such as the last lines of a log.
    """
    try:
        note = json.loads(text)
    except ValueError:
        return {}
    return note if isinstance(note, dict) and isinstance(note.get("state"), str) else {}


def _write_note(path: str, note: dict[str, Any]) -> None:
    """Write the note within its limit: of a message too long the beginning stays."""
    text = _utf8(note)
    while len(text) > NOTE_LIMIT and note["message"]:
        message = note["message"].rstrip("…")
        note = {**note, "message": f"{message[: len(message) // 2]}…" if len(message) > 1 else ""}
        text = _utf8(note)
    try:
        with open(path, "wb") as file:  # noqa: PTH123  pathlib is slow to import on the run side
            file.write(text)
    except OSError as error:
        sys.stderr.write(f"the termination message could not be written: {error}\n")


def _utf8(note: dict[str, Any]) -> bytes:
    return json.dumps(note, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
