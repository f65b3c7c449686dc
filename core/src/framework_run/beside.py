"""The documents beside an event file, which tell whose events they are."""

from __future__ import annotations

import os

from framework_run.eventfile import sync


def sync_documents(folder: str) -> None:
    """Wait until the documents of a folder (``*.json``) are on the disk, if they can be read."""
    for name in os.listdir(folder):  # noqa: PTH208  pathlib is slow to import on the run side
        if name.endswith(".json"):
            try:
                fd = os.open(os.path.join(folder, name), os.O_RDONLY)  # noqa: PTH118  likewise
            except OSError:
                continue
            try:
                sync(fd)
            finally:
                os.close(fd)
