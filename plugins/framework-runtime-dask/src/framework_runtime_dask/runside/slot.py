"""The supervisor of items of a map on a worker: it serves one after another, and ends when the worker does."""

from __future__ import annotations

import os
import sys

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
    return serving.serve(sys.stdin.buffer, int(argv[0]))
