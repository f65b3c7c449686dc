"""The supervisor of items of a map on a worker: it serves one after another, and ends when the worker does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from framework_run import processes, serving


def main(argv: list[str]) -> int:
    """Serve what comes on standard input.

    Args:
        argv: The descriptor for events, and the worker's pid.

    Returns:
        The exit status.
    """
    if os.getppid() == int(argv[1]):  # else a worker that is about to be gone: then the input is at its end
        processes.die_with(int(argv[1]))
    return serving.serve(_lines(), int(argv[0]))


def _lines() -> Iterator[bytes]:
    """What comes on standard input; that the item before has left its place says nothing of the next one."""
    for line in sys.stdin.buffer:
        with suppress(FileNotFoundError):
            os.unlink(os.environ["FRAMEWORK_DASK_SECEDE"])
        yield line
