"""The output of a run, printed as it grows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, BinaryIO

from framework.cli.output import note

if TYPE_CHECKING:
    from framework.databases import Database

Prefix = Callable[[str], str]


class Printer:
    """Prints what a run has written since the last time, attempt by attempt.

    Args:
        database: Where the run is.
        uid: The run.
        attempt: Of this attempt only; None for the last one, and those that come after it.
        prefix: Gives what each line begins with, of the name of the worker that has the attempt; without it the bytes
            are printed as they were written.
    """

    def __init__(self, database: Database, uid: str, attempt: int | None, prefix: Prefix | None = None) -> None:
        self.uid = uid
        self._database = database
        self._only = attempt
        self._attempt = attempt or 0  # the one that is printed; 0 before the first time
        self._after = 0  # chunks of it that have been printed
        self._prefix_of = prefix or _nothing
        self._prefix = b""
        self._torn: dict[str, bytes] = {}  # of each stream, the beginning of a line

    def print(self, *, close: bool = False) -> None:
        """Print what is new.

        Args:
            close: Nothing comes any more: a line without an end is printed too.
        """
        workers = self._workers()
        last = max(workers)
        self._attempt = self._attempt or last
        self._begin(workers)
        self._print_chunks()
        while self._only is None and self._attempt < last:
            self._close()
            self._attempt, self._after = self._attempt + 1, 0
            self._begin(workers)
            where = f" on {worker}" if not self._prefix and (worker := workers[self._attempt]) else ""
            note(f"{self._prefix.decode()}Attempt {self._attempt}{where}:")
            self._print_chunks()
        if close:
            self._close()
        sys.stdout.buffer.flush()
        sys.stderr.buffer.flush()

    def _workers(self) -> dict[int, str]:
        """The workers of all attempts, by number; empty names where there are none."""
        attempts = self._database.run(self.uid)["status"].get("attempts") or [{"number": 1}]
        return {int(attempt["number"]): attempt.get("worker", "") for attempt in attempts}

    def _begin(self, workers: Mapping[int, str]) -> None:
        self._prefix = self._prefix_of(workers.get(self._attempt, "")).encode()

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


def _nothing(_worker: str) -> str:
    return ""


def _stream(name: str) -> BinaryIO:
    return sys.stderr.buffer if name == "system" else sys.stdout.buffer
