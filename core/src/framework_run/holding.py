"""Staying, after the end was said, for who comes for what could not be sent, and until a long log has been rotated.

A kubelet rotates the log of a container that runs, and the digest with it; what it serves then is what came after. So
the digest is said again, behind the end of the log, when the kubelet has had the time to look, and at the very end.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, Any, Final

from framework_run.signals import Requests

if TYPE_CHECKING:
    from framework_run.digest import Closing

ROTATION: Final = 12.0
"""Seconds in which a kubelet has looked at a log and rotated it: containerLogMonitorInterval is 10 s unless told."""
LONG: Final = 8 << 20
"""Bytes of events that, as lines with their times, a kubelet may rotate: containerLogMaxSize is 10 MiB unless told."""


def stay(options: dict[str, Any], closing: Closing | None, requests: Requests) -> None:
    """Wait where something was left, or where the log is long enough to be rotated just now; a signal ends it.

    Args:
        options: The submission's ``carrier``. Its ``hold`` is ``{"folder": where things are left, "seconds": how long
            it stays}``.
        closing: What says the digest; None where there is none.
        requests: The signals that ask for an end; one that came before asks for it already.
    """
    hold = options.get("hold")
    seconds = float(hold["seconds"]) if hold and _has_files(hold["folder"]) else 0.0
    if closing is not None and options.get("digest") and closing.written > LONG:
        seconds = max(seconds, ROTATION)
    first = min(seconds, ROTATION)
    for part in (first, seconds - first):
        if part > 0 and not requests.count:
            _wait(part, requests)
            if closing is not None:
                closing.say_again()


def _wait(seconds: float, requests: Requests) -> None:
    deadline = time.monotonic() + seconds
    while not requests.count and (left := deadline - time.monotonic()) > 0:
        select.select([requests.wake], [], [], left)
        requests.clear()


def _has_files(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))  # noqa: PTH208  pathlib is slow to import on the run side
    except OSError:
        return False
