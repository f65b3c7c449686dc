"""The handler process that serves one run after another (`framework_run.serving` is its supervisor)."""

from __future__ import annotations

import functools
import json
import os
import signal
from typing import Any, NoReturn

from framework_run import slot
from framework_run.calling import params_of
from framework_run.channel import Channel
from framework_run.context import Context
from framework_run.handler import call, catch_signals, die, finish, flush, handler_of, open_streams, say, terminated


def serve(submission: dict[str, Any], channel_fd: int, scratch: str) -> NoReturn:
    """Run a submission's handler once for each item, in this process, and end it when no more can come.

    As `run`, but that the process lives on between items: what one leaves in memory, the next one finds.

    Args:
        submission: What all items have in common; ``items_fd`` is the descriptor from which they are read, each a line
            of JSON with the parts that are its own.
        channel_fd: As of `run`.
        scratch: As of `run`.
    """
    pid = os.getpid()
    channel = Channel(channel_fd, submission["token"])
    catch_signals()
    open_streams()
    context = Context(submission, channel.send)
    found = functools.cache(lambda: handler_of(submission["code"], scratch))  # what it raises is not kept
    with open(submission["items_fd"], "rb") as items:  # noqa: PTH123  a descriptor
        for line in items:
            item = {**submission, **json.loads(line)}
            context = Context({**item, "params": params_of(item)}, channel.send)
            slot.set_process(context)
            end = call(found, {**item, "params": context.params}, context, pid)
            completed = end["state"] == "completed"
            if os.getpid() != pid or (terminated and not completed):
                finish(context)
                die(signal.SIGTERM)  # the supervisor knows whether it has sent it
            flush()
            say(channel, "returned" if completed else "raised", {**end, "pid": pid})
    finish(context)
    os._exit(0)
