"""Requests to end: signals to the supervisor, counted from its first moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

_ASKING = ("SIGTERM", "SIGINT", "SIGHUP")


class Requests:
    """Counts the signals that ask for an end: the first asks, the second insists.

    Attributes:
        count: How often an end was asked for.
        wake: The read end of a pipe that becomes readable with every signal, SIGCHLD too.
        insisted: Called from the second request on, in the signal handler: also while a write to a slow reader blocks.
    """

    def __init__(self) -> None:
        self.count = 0
        self.insisted: Callable[[], None] | None = None
        self.wake, writer = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        asking = [getattr(signal, name) for name in _ASKING]
        for number in asking:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
                signal.signal(number, self._asked)
        # Whoever started this process may have held them back until now, so that none comes before it can be answered.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, asking)

    def clear(self) -> None:
        """Empty the pipe."""
        try:
            while os.read(self.wake, 512):
                pass
        except BlockingIOError:
            return

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1 and self.insisted is not None:
            self.insisted()


def back_to_defaults(*, python: bool) -> None:
    """In a forked child: signals as a program expects them at its start.

    Args:
        python: It goes on as this interpreter, to which SIGINT and SIGPIPE are exceptions.
    """
    signal.set_wakeup_fd(-1)
    for name in ("SIGCHLD", *_ASKING):
        if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    if not python:
        for name in ("SIGPIPE", "SIGXFSZ"):  # which Python ignores, and whoever is executed would too
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    elif signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
