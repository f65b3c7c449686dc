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
        made = import_module("distributed").Client(
            os.environ["FRAMEWORK_DASK_SCHEDULER"], set_as_default=True, security=_security()
        )
        _made[os.getpid()] = made
    return _made[os.getpid()]


def _security() -> Any:
    """What the client needs for TLS; None without."""
    path = os.environ.get("FRAMEWORK_DASK_SECURITY")
    if not path:
        return None
    from importlib import import_module
    from json import load

    with open(path, encoding="utf-8") as file:
        found = load(file)
    return import_module("distributed.security").Security(
        require_encryption=True,
        tls_ca_file=found["ca_file"],
        tls_client_cert=found["cert"],
        tls_client_key=found["key"],
    )
