"""How a script that a run has started finds its run: by the variables of `framework_run.channel.environment`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from framework_run.channel import CHANNEL, SUBMISSION, Channel

if TYPE_CHECKING:
    from framework_run.context import Context


def from_environment() -> Channel | None:
    """The channel of the run that started this script, or None where there is none, or it was not inherited."""
    try:
        fd, token, inode = os.environ.get(CHANNEL, "").split(":")
        # A grandchild inherits the variable without the pipe: its descriptor of that number may be anything.
        found = os.fstat(int(fd))
    except (OSError, ValueError):
        return None
    return Channel(int(fd), token) if stat.S_ISFIFO(found.st_mode) and str(found.st_ino) == inode else None


def context_from_environment() -> Context | None:
    """The context of the script that this process is, or None where no run started it."""
    about = os.environ.get(SUBMISSION)
    channel = from_environment() if about else None
    if channel is None or not about:
        return None
    import atexit
    import json

    from framework_run.calling import params_of
    from framework_run.context import Context

    if not about.startswith("{"):
        from pathlib import Path

        about = Path(about).read_text("utf-8")
    submission = json.loads(about)
    submission["params"] = params_of(submission)
    context = Context(submission, channel.send)
    atexit.register(context.flush)
    return context
