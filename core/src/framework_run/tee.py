"""What an inline run prints: on the terminal as it was printed, and in the run's log."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from itertools import groupby
from time import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from framework_run.bars import Bars
    from framework_run.masking import Masker, Stream

_PIECE: Final = 8_192  # characters of a log event: at most 32 KiB in UTF-8
_EVERY: Final = 0.5  # seconds that output waits at most for the next write

_output: ContextVar[Output | None] = ContextVar("framework_output", default=None)
_active: dict[int, Output] = {}  # the runs that have not ended
_lock = threading.Lock()


class Output:
    """Collects what one run prints, and emits it as ``log`` events.

    Args:
        emit: Takes kind, data and a child's uid.
        masker: Knows what is masked; None where nothing is.
    """

    __slots__ = ("_bars", "_emit", "_masked", "_pieces", "_since", "_size", "masker", "token")

    def __init__(self, emit: Callable[[str, dict[str, Any], str | None], None], masker: Masker | None = None) -> None:
        self._emit = emit
        self.masker = masker
        self._bars: dict[str, Bars] = {}
        self._masked = _streams(masker) if masker is not None else {}
        self._pieces: deque[tuple[str, str]] = deque()
        self._size = 0
        self._since = time()
        self.token: Token[Output | None] | None = None

    def add(self, stream: str, text: str) -> None:
        """Take what was written to stdout or stderr."""
        if self._masked:
            text = self._masked[stream].feed(text)
        self._pieces.append((stream, text))
        self._size += len(text)
        if self._size >= _PIECE or not 0 <= time() - self._since < _EVERY:
            self.flush()

    def close(self) -> None:
        """Emit the rest: the run is at its end."""
        self._pieces += [(name, masked.flush()) for name, masked in self._masked.items()]
        self.flush()
        for name, bars in self._bars.items():
            self._log(name, bars.flush())

    def flush(self) -> None:
        """Emit what waits."""
        self._size, self._since = 0, time()
        taken = [self._pieces.popleft() for _ in range(len(self._pieces))]
        for stream, pieces in groupby(taken, key=lambda piece: piece[0]):
            text = self._without_bars(stream, _clean("".join(piece for _, piece in pieces)))
            self._log(stream, text)

    def _log(self, stream: str, text: str) -> None:
        for start in range(0, len(text), _PIECE):
            self._emit("log", {"stream": stream, "text": text[start : start + _PIECE]}, None)

    def _without_bars(self, stream: str, text: str) -> str:
        """The text without what tqdm's bars have written over; what they say is progress."""
        if stream not in self._bars:
            if "\r" not in text:
                return text
            from framework_run.bars import Bars

            self._bars[stream] = Bars(lambda data: self._emit("progress", data, None))
        return self._bars[stream].feed(text)


class Tee:
    """A text stream that also tells the run that writes to it.

    Args:
        stream: Where it is written, live; everything but writing is its own.
        name: stdout or stderr.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        """Write text; the log has it even where there is no terminal."""
        output = _current()
        if self._stream is not None:
            self._stream.write(text if output is None or output.masker is None else output.masker.text(text))
        if output is not None and text:
            output.add(self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Any:
        """The stream of bytes below, which tells the run as well."""
        return _Bytes(self._stream.buffer, self._name)

    @property
    def original(self) -> Any:
        """The stream that was there before."""
        return self._stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bytes:
    """As `Tee`, for bytes."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, data: Any) -> int:
        written: int = self._stream.write(data)
        output = _current()
        if output is not None:
            output.add(self._name, bytes(data).decode("utf-8", "surrogateescape"))
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def begin(emit: Callable[[str, dict[str, Any], str | None], None], masker: Masker | None = None) -> Output:
    """From here on, what this thread or task prints belongs to a run, until `end`.

    Args:
        emit: Takes the run's log events.
        masker: Knows what is masked; None where nothing is.
    """
    output = Output(emit, masker)
    with _lock:
        _active[id(output)] = output
        if not isinstance(sys.stdout, Tee):
            sys.stdout = Tee(sys.stdout, "stdout")
        if not isinstance(sys.stderr, Tee):
            sys.stderr = Tee(sys.stderr, "stderr")
    output.token = _output.set(output)
    return output


def end(output: Output) -> None:
    """Emit the rest; a second time it does nothing."""
    if output.token is None:
        return
    _output.reset(output.token)
    output.token = None
    output.close()
    with _lock:
        del _active[id(output)]
        if not _active:
            # Only the last one puts the streams back: another thread's run may have found them in place.
            for name in ("stdout", "stderr"):
                while isinstance(stream := getattr(sys, name), Tee):
                    setattr(sys, name, stream.original)


def _streams(masker: Masker) -> dict[str, Stream]:
    from framework_run.masking import Stream

    return {name: Stream(masker) for name in ("stdout", "stderr")}


def _current() -> Output | None:
    found = _output.get()
    if found is None and len(_active) == 1:
        return next(iter(_active.values()), None)  # a thread that the run has started
    return found


def _clean(text: str) -> str:
    """The text as UTF-8 with surrogateescape can carry it: other lone surrogates become bytes of their own."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    return text
