"""Staying, after the end was said, for who comes for what could not be sent."""

from __future__ import annotations

import os
import select
import time
from typing import Any

from framework_run.signals import Requests


def hold(options: dict[str, Any], requests: Requests) -> None:
    """Wait where something was left; a signal ends it.

    Args:
        options: The carrier's ``hold``: ``{"folder": where things are left, "seconds": how long it stays}``.
        requests: The signals that ask for an end; one that came before asks for it already.
    """
    if not _has_files(options["folder"]):
        return
    deadline = time.monotonic() + float(options["seconds"])
    while not requests.count and (wait := deadline - time.monotonic()) > 0:
        select.select([requests.wake], [], [], wait)
        requests.clear()


def _has_files(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))  # noqa: PTH208  pathlib is slow to import on the run side
    except OSError:
        return False
