"""What a run has of the machine that submits it: its files where a worker is there as well, else what is sent."""

from __future__ import annotations

import io
import tarfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.errors import BackendError, UsageError
from framework_runtime_dask import seed
from framework_runtime_dask.nearby import machine, seen, sees

if TYPE_CHECKING:
    from framework.runtimes import Submission
    from framework_runtime_dask.provider import Place

LIMIT: Final = 64 << 20
"""Bytes of inputs that are sent to the workers of a run: the scheduler keeps them as long as the run goes on."""

_NOWHERE: Final = "-"  # a machine that no worker is on


def here(submission: Submission, place: Place, workdir: str) -> dict[str, Any]:
    """What holds for a run that is on this machine after all (`framework_runtime_dask.nearby.settled`).

    Args:
        submission: The run.
        place: Its cluster.
        workdir: Where relative paths begin.
    """
    document: dict[str, Any] = {"workdir": submission.document.get("workdir") or workdir}
    if submission.storage is not None:
        document["artifacts"] = {**submission.document["artifacts"], "storage": submission.storage}
    # The workers of a cluster of this machine are here, also where the system does not say which machine that is.
    where = machine() or ("" if place.provider == "local" else _NOWHERE)
    paths = [str(it["path"]) for it in (submission.document.get("inputs") or {}).values() if "path" in it]
    return {"machine": where, "document": document, "inputs": {path: seen(path) for path in paths}}


def parcel(client: Any, submission: Submission, place: Place, about: dict[str, Any]) -> bytes:
    """The inputs for workers that do not see them: a tar archive; empty where every worker sees all of them.

    Args:
        client: The client of the cluster's scheduler.
        submission: The run.
        place: The cluster.
        about: As `here` gave it.

    Raises:
        UsageError: They are more than can be sent.
        BackendError: One cannot be read.
    """
    inputs = (submission.document.get("inputs") or {}).items()
    paths = {name: Path(it["path"]) for name, it in inputs if "path" in it}
    if not paths or place.provider == "local":
        return b""
    told = client.run(sees, about["machine"], about["inputs"], on_error="ignore")
    if told and all(told.values()):
        return b""
    sizes = {name: _size(path) for name, path in paths.items()}
    if sum(sizes.values()) > LIMIT:
        names = ", ".join(f"{name} ({size:,} bytes)" for name, size in sizes.items())
        raise UsageError(
            f"the workers of {place.address} do not see the inputs of this run, and it has {names}: at most "
            f"{LIMIT:,} bytes are sent",
            advice="Keep it as an artifact in a storage that they reach (s3://bucket/prefix) and name it by store://, "
            "or put it where all see it at the same path.",
        )
    sink = io.BytesIO()
    try:
        with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
            for name, path in paths.items():
                archive.add(path, f"inputs/{name}/{path.name}")
    except OSError as error:
        raise BackendError(f"an input cannot be read: {error}", advice="Check the file.") from error
    return sink.getvalue()


def carried(client: Any, topic: str, content: bytes) -> Any:
    """What tasks of a run get a parcel by: a task that returns it, so that it is there again when a worker is lost.

    It is nobody's: the scheduler keeps it as long as a task of the run needs it.
    """
    if not content:
        return b""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")
        return client.submit(seed.carry, content, key=f"{topic}-inputs", pure=False)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size
