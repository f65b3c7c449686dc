"""The handler in a fresh interpreter, that of an environment made for the run."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, NoReturn

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  pathlib is slow to import
_RESUME = "import sys; sys.path[0] = sys.argv[1]; from framework_run.afresh import resume; resume(*sys.argv[2:])"


def start_afresh(submission: dict[str, Any], python: str, channel_fd: int, scratch: str) -> NoReturn:
    """Replace this process by the interpreter of the run's environment, which goes on in `resume`."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stream:
        json.dump({**submission, "requirements": []}, stream)
        stream.seek(0)
        for fd in (stream.fileno(), channel_fd):
            os.set_inheritable(fd, True)  # noqa: FBT003  the system's own signature
        words = [python, "-c", _RESUME, _ROOT, str(stream.fileno()), str(channel_fd), scratch]
        os.execv(python, words)  # noqa: S606  no shell, on purpose


def resume(document: str, channel_fd: str, scratch: str) -> NoReturn:
    """Become the handler in a fresh interpreter, that of an environment made for the run.

    Args:
        document: The descriptor of a file with the submission.
        channel_fd: The channel's write end.
        scratch: A folder of this run's own.
    """
    from framework_run import handler

    with open(int(document), encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
        submission = json.load(stream)
    os.set_inheritable(int(channel_fd), False)  # noqa: FBT003  the system's own signature
    handler.run(submission, int(channel_fd), scratch)
