"""``context.dask_client``: the handler's own client of the cluster that it runs on."""

from __future__ import annotations

import os
from typing import Any

_made: dict[int, Any] = {}  # by process: what was forked meanwhile makes its own


def connect() -> Any:
    """The client of this process, made when it is first asked for.

    What it submits runs on the workers. The task that this handler is in leaves its place to others meanwhile, or it
    would wait for itself where there is one worker.
    """
    from importlib import import_module

    if os.getpid() not in _made:
        with open(os.environ["FRAMEWORK_DASK_SECEDE"], "w", encoding="ascii"):
            pass  # that it is there says enough
        made = import_module("distributed").Client(os.environ["FRAMEWORK_DASK_SCHEDULER"], set_as_default=True)
        _made[os.getpid()] = made
    return _made[os.getpid()]
