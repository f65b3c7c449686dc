"""``context.dask_client`` of a handler that runs where it was submitted, and not on a worker."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import warnings
from json import loads
from typing import Any

from . import client


def connect() -> Any:
    """The client of this process, made when it is first asked for."""
    if "FRAMEWORK_DASK_SCHEDULER" not in os.environ:
        os.environ["FRAMEWORK_DASK_SCHEDULER"] = _forwarded(loads(os.environ["FRAMEWORK_DASK_FORWARD"]))
    os.environ.setdefault("FRAMEWORK_DASK_CODE", sys.path[0])
    os.environ.setdefault("FRAMEWORK_DASK_SECEDE", os.devnull)  # there is no task that could leave its place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other versions: what matters was told when the run was submitted
        made = client.connect()
    made.set_metadata(["framework-here", made.id], value=True)  # while it is connected, the cluster is not idle
    return made


def _forwarded(words: list[str]) -> str:
    """The address of a scheduler that only a forwarded port leads to.

    Raises:
        ConnectionError: There is none; the message says why.
    """
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip() if process.stdout else ""
    if not address:
        said = process.communicate()[1].strip().splitlines()
        raise ConnectionError(said[-1] if said else "the way to the scheduler cannot be had")
    atexit.register(process.communicate)  # it ends when its standard input does
    return address
