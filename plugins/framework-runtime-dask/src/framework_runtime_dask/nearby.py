"""Whether a worker sees the files of the machine that submits, and what it gets of them where it does not.

Part of what runs in the process of a Dask worker (`framework_runtime_dask.seed`). A worker tells by itself, for each
run: on one cluster some may be here and others not, and which of them gets a run is the scheduler's to say.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

Seen = tuple[int, int]  # the size of a file in bytes, and the nanosecond of its last change


def machine() -> str:
    """This machine and its view of files: the kernel's boot and the mount namespace; empty where there are none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/mnt').readlink()}"
    except OSError:
        return ""


def seen(path: str) -> Seen | None:
    """What tells that a path leads to the same file or folder wherever it is looked at; None where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def sees(at: str, inputs: dict[str, Seen], dask_worker: Any = None) -> bool:  # noqa: ARG001  who is asked
    """Whether a worker needs nothing sent: it is on the machine ``at``, or has all inputs at the same paths."""
    return machine() == at or all(seen(path) == tuple(known) for path, known in inputs.items())


def settled(document: dict[str, Any], folder: Path, parcel: bytes) -> dict[str, Any]:
    """A submission as it holds on this worker.

    Args:
        document: The submission; its ``here`` says what holds on the machine that submitted it.
        folder: Where inputs that were sent are put.
        parcel: What was sent: a tar archive; may be empty.
    """
    here = document.get("here")
    if here is None:
        return document
    settled = {name: part for name, part in document.items() if name != "here"}
    if machine() == here["machine"]:
        return {**settled, **here["document"]}
    if not parcel:  # this worker has none, or has them at the same paths
        return settled
    with tarfile.open(fileobj=io.BytesIO(parcel)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(folder)  # noqa: S202  filtered
    inputs = (settled.get("inputs") or {}).items()
    return {**settled, "inputs": {name: _placed(folder, name, place) for name, place in inputs}}


def _placed(folder: Path, name: str, place: dict[str, Any]) -> dict[str, Any]:
    """An input where it was put."""
    return {**place, "path": str(folder / "inputs" / name / Path(place["path"]).name)} if "path" in place else place


sees.__module__ = "__main__"  # so that Dask pickles it by value
