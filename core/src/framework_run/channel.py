"""The channel: frames on a pipe from the handler, and from whatever it starts, to the supervisor."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from framework_run import frames

CHANNEL = "FRAMEWORK_RUN_CHANNEL"
"""``fd:token:inode``: the pipe's write end, which is inherited, and the pipe that it has to be."""
SUBMISSION = "FRAMEWORK_RUN_SUBMISSION"
"""What a context has to know of the submission: JSON, or the path of a file that holds it."""
UID = "FRAMEWORK_RUN_UID"

_LONGEST = 100_000  # bytes of one variable: Linux refuses 131,072 (MAX_ARG_STRLEN)
_ABOUT = ("run", "params", "inputs", "artifacts", "labels", "secrets", "extensions")


class Channel:
    """Sends unnumbered events; the supervisor numbers them.

    Args:
        fd: The pipe's write end, in blocking mode: a slow reader slows the writer and nothing is lost.
        token: The submission's token.
    """

    def __init__(self, fd: int, token: str) -> None:
        self._fd = fd
        self._token = token
        self._lock = threading.Lock()
        # A thread may hold the lock while another forks: the child gets one of its own.
        os.register_at_fork(after_in_child=self._unlock)

    def send(self, kind: str, data: dict[str, Any], child: str | None = None) -> None:
        """Send one event; safe from threads, and from processes that inherited the pipe.

        Args:
            kind: One of `framework_run.events.KINDS`, or ``returned`` or ``raised``.
            data: What the kind says.
            child: The uid of the child run that it belongs to.

        Raises:
            BrokenPipeError: The supervisor has gone.
        """
        event: dict[str, Any] = {"kind": kind, "data": data, "time": time.time()}
        if child is not None:
            event["child"] = child
        pieces = frames.encode(event, self._token)
        with self._lock:
            for piece in pieces:
                os.write(self._fd, piece)  # whole: a pipe takes up to PIPE_BUF bytes in one piece or waits

    def _unlock(self) -> None:
        self._lock = threading.Lock()


def environment(fd: int, submission: dict[str, Any], folder: str | None = None) -> dict[str, str]:
    """The variables by which a script finds the channel and its context.

    Args:
        fd: The pipe's write end, inheritable.
        submission: The whole submission.
        folder: Where a file is written when the parameters are too long for a variable; by default, where
            temporary files are.
    """
    import json

    about = json.dumps({name: submission[name] for name in _ABOUT if name in submission})
    if len(about) > _LONGEST:
        about = _in_file(about, folder)
    return {
        CHANNEL: f"{fd}:{submission['token']}:{os.fstat(fd).st_ino}",
        SUBMISSION: about,
        UID: submission["run"]["uid"],
    }


def _in_file(text: str, folder: str | None) -> str:
    import tempfile

    fd, path = tempfile.mkstemp(prefix="framework-run-", suffix=".json", dir=folder)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return path
