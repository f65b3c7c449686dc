"""A run in the caller's own process: the same rules, and no promise that needs a second process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from framework_run import ends, outcome, slot
from framework_run.context import Context

_CHUNK = 16_384  # characters of a log event
Emit = Callable[[str, dict[str, Any], "str | None"], None]


def run_inline(
    function: Callable[..., Any], submission: dict[str, Any], emit: Emit, *, debug: bool = False
) -> tuple[Any, ends.Ending, BaseException | None]:
    """Call a function as a run.

    Args:
        function: The live function.
        submission: The submission; its params are the live values.
        emit: Takes kind, data and a child's uid.
        debug: Stop in the debugger where it fails.

    Returns:
        What it returned, its end, and the exception that made the end (KeyboardInterrupt included).
    """
    context = Context(submission, emit)
    token = slot.set_current(context)
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Tee(out, "stdout", emit), Tee(err, "stderr", emit)
    try:
        value = outcome.call(function, submission, context)
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the end
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = out, err
        end = (
            ends.aborted("it was interrupted (Ctrl-C)")
            if isinstance(error, KeyboardInterrupt)
            else outcome.ending(error)
        )
        if debug and end["state"] == "failed":
            _debug(end, error)
        if end["state"] == "completed":
            return None, end, None
        return None, end, error
    else:
        return value, ends.completed(), None
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Tee):
                stream.send()
        sys.stdout, sys.stderr = out, err
        slot.reset(token)
        context.flush()


class Tee:
    """Writes to a stream and to the run's log.

    Args:
        stream: Where it is written live.
        name: stdout or stderr.
        emit: Takes the log events.
    """

    def __init__(self, stream: Any, name: str, emit: Emit) -> None:
        self._stream = stream
        self._name = name
        self._emit = emit
        self._pieces: list[str] = []
        self._length = 0

    def write(self, text: str) -> int:
        """Write text to both."""
        written: int = self._stream.write(text)
        self._pieces.append(text)
        self._length += len(text)
        if self._length > _CHUNK:
            self.send()
        return written

    def send(self) -> None:
        """Send what has been written since the last time."""
        if not self._pieces:
            return
        text, self._pieces, self._length = "".join(self._pieces), [], 0
        for start in range(0, len(text), _CHUNK):
            piece = text[start : start + _CHUNK].encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
            self._emit("log", {"stream": self._name, "text": piece}, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _debug(end: ends.Ending, error: BaseException) -> None:
    import pdb  # noqa: T100  what was asked for

    sys.stderr.write(end.get("traceback") or f"{end['message']}\n")
    if error.__traceback__ is not None:
        pdb.post_mortem(error.__traceback__)
