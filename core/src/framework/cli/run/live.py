"""What a run prints while it runs: the user's output as it was printed, and progress where somebody looks."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from framework.cli.output import note
from framework.cli.progress import bar, share_of, told
from framework.cli.text import clip, one_line

if TYPE_CHECKING:
    from framework_run.events import Event

_REMEMBERED: Final = 65_536  # bytes of standard error that are remembered
_EVERY: Final = 0.1  # seconds between two drawings of the progress line


class Live:
    """Takes a run's events and prints what is for people.

    Args:
        apart: The user's output goes to standard error, because standard output is for one JSON document.
    """

    def __init__(self, *, apart: bool) -> None:
        self._out: BinaryIO | None = sys.stderr.buffer if apart else sys.stdout.buffer
        self._err: BinaryIO | None = sys.stderr.buffer
        self._said = b""
        self._apart = apart
        self._torn = False  # the last line of what is read together with the notes has no end
        self._terminal = sys.stderr.isatty()
        self._drawn = False
        self._next = 0.0
        self._owner = ""

    def __call__(self, event: Event) -> None:
        """Print one event, if there is something to print."""
        if event["kind"] == "log":
            self._log(event["data"])
        elif event["kind"] == "progress" and self._terminal:
            self._progress(event["data"])
        elif event["kind"] == "state" and event["data"].get("message"):
            self.finish()
            note(one_line(event["data"]["message"]))

    def close(self) -> None:
        """Take the progress line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False

    def finish(self) -> None:
        """As `close`, and end the line that the run has left open, so that what is noted begins one of its own."""
        self.close()
        if self._torn:
            note("")
            self._torn = False

    def has_said(self, text: str) -> bool:
        """Whether a text has just been printed, as the user's traceback has that the run itself wrote."""
        return text.strip().encode("utf-8", "surrogateescape") in self._said

    def _log(self, data: dict[str, Any]) -> None:
        self.close()
        content = str(data.get("text", "")).encode("utf-8", "surrogateescape")
        is_out = data.get("stream") == "stdout"
        if content and (self._apart or not is_out or (self._terminal and sys.stdout.isatty())):
            self._torn = not content.endswith(b"\n")
        if is_out:
            self._out = _write(self._out, content)
        else:
            self._said = (self._said + content)[-_REMEMBERED:]
            self._err = _write(self._err, content)

    def _progress(self, data: dict[str, Any]) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        share = share_of(data)
        text = told(data) if share is None else f"{bar(share, 20)} {told(data)}"
        sys.stderr.write("\r\x1b[2K" + clip(text, shutil.get_terminal_size().columns - 1))
        sys.stderr.flush()
        self._drawn = True


def _write(stream: BinaryIO | None, content: bytes) -> BinaryIO | None:
    """Write at once. A reader that has gone ends the printing, not the run: then None is returned, else the stream."""
    if stream is None:
        return None
    try:
        stream.write(content)
        stream.flush()
    except BrokenPipeError:
        return None
    return stream
