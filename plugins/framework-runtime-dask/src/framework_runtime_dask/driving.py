"""Handlers that run where they are submitted, as runs of the kind ``local``, while their tasks run on a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from framework.plugins.manager import Plugins
from framework.runtimes import Handle, RuntimeContext, Submission
from framework.settings import runtime_table

if TYPE_CHECKING:
    from framework_runtime_dask.provider import Place

_KIND: Final = "local"
_CLIENT: Final = "framework_run.plugins.framework_runtime_dask.here:connect"


def submit_here(home: Path, submission: Submission, place: Place, topic: str, address: str) -> Handle:
    """Start a run on this machine, with a client of a cluster as ``context.dask_client``.

    Args:
        home: FRAMEWORK_HOME.
        submission: The run.
        place: The cluster.
        topic: What the run is called at its scheduler.
        address: The scheduler's, where it is the same for every process of this machine; else empty.

    Returns:
        The handle of the kind ``local``: the run is one of this machine, and survives its cluster.

    Raises:
        BackendError: It could not be started.
    """
    document = dict(submission.document)
    document["extensions"] = {"dask_client": _CLIENT}
    document["env"] = {**(document.get("env") or {}), **_variables(home, place, topic, address)}
    document["workdir"] = document.get("workdir") or os.getcwd()  # noqa: PTH109  relative paths mean the same
    if submission.storage is not None:
        document["artifacts"] = {**document["artifacts"], "storage": submission.storage}
    runtime = Plugins().runtime(_KIND, RuntimeContext(home=str(home), settings=runtime_table(_KIND, home)))
    return runtime.submit(attrs.evolve(submission, document=document))


def _variables(home: Path, place: Place, topic: str, address: str) -> dict[str, str]:
    """What the run's side finds its cluster by."""
    found = {"FRAMEWORK_DASK_TOPIC": topic}
    if address:
        found["FRAMEWORK_DASK_SCHEDULER"] = address
    else:
        about = json.dumps(attrs.asdict(place))
        words = [sys.executable, "-m", "framework_runtime_dask.forward", str(home), about]
        found["FRAMEWORK_DASK_FORWARD"] = json.dumps(words)
    if place.security:
        found["FRAMEWORK_DASK_SECURITY"] = str(_kept(home, place.security))
    return found


def _kept(home: Path, paths: dict[str, Any]) -> Path:
    """A file with the names of the certificates' files, one for all that have the same."""
    text = json.dumps(paths, sort_keys=True)
    path = home / "dask" / "security" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
