"""The supervisor of one run on a worker: the ordinary one, which ends when the worker does."""

from __future__ import annotations

import os

from framework_run import processes, supervisor


def main(argv: list[str]) -> int:
    """Run the submission in a file.

    Args:
        argv: The file, and the worker's pid.

    Returns:
        As `framework_run.supervisor.main`.
    """
    if os.getppid() == int(argv[1]):  # else a worker that is about to be gone: the kernel's own parent
        processes.die_with(int(argv[1]))
    return supervisor.main(argv[:1])
