"""The output of a run, printed as it grows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from framework.cli.output import note

if TYPE_CHECKING:
    from framework.databases import Database


class Printer:
    """Prints what a run has written since the last time, attempt by attempt.

    Args:
        database: Where the run is.
        uid: The run.
        attempt: Of this attempt only; None for the last one, and those that come after it.
        prefix: What each line begins with; without one the bytes are printed as they were written.
    """

    def __init__(self, database: Database, uid: str, attempt: int | None, prefix: str = "") -> None:
        self.uid = uid
        self._database = database
        self._only = attempt
        self._attempt = attempt or 0  # the one that is printed; 0 before the first time
        self._after = 0  # chunks of it that have been printed
        self._prefix = prefix.encode()
        self._torn: dict[str, bytes] = {}  # of each stream, the beginning of a line

    def print(self, *, close: bool = False) -> None:
        """Print what is new.

        Args:
            close: Nothing comes any more: a line without an end is printed too.
        """
        last = self._last()
        self._attempt = self._attempt or last
        self._print_chunks()
        while self._only is None and self._attempt < last:
            self._close()
            self._attempt, self._after = self._attempt + 1, 0
            note(f"{self._prefix.decode()}Attempt {self._attempt}:")
            self._print_chunks()
        if close:
            self._close()
        sys.stdout.buffer.flush()
        sys.stderr.buffer.flush()

    def _last(self) -> int:
        attempts = self._database.run(self.uid)["status"].get("attempts") or [{"number": 1}]
        return int(attempts[-1]["number"])

    def _print_chunks(self) -> None:
        for chunk in self._database.log(self.uid, attempt=self._attempt, after=self._after):
            self._after += 1
            self._write(chunk.stream, chunk.data)

    def _write(self, stream: str, data: bytes) -> None:
        out = _stream(stream)
        if not self._prefix:
            out.write(data)
            return
        lines = (self._torn.pop(stream, b"") + data).split(b"\n")
        if lines[-1]:
            self._torn[stream] = lines[-1]
        for line in lines[:-1]:
            out.write(self._prefix + line + b"\n")

    def _close(self) -> None:
        for stream in list(self._torn):
            _stream(stream).write(self._prefix + self._torn.pop(stream) + b"\n")


def _stream(name: str) -> BinaryIO:
    return sys.stderr.buffer if name == "system" else sys.stdout.buffer
