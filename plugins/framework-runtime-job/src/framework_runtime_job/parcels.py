"""What is too large for a Secret: a file of this machine, streamed into a container that waits for it in the pod.

The file is written when the run is submitted. Whoever follows the run from this machine delivers it as soon as the pod
waits for it; a detached run is delivered before `submit` returns.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from framework.errors import BackendError, UsageError
from framework.runtimes import Handle
from framework_runtime_job.api import Api, Json
from framework_runtime_job.paths import PARCEL
from framework_runtime_job.pods import RECEIVER

LIMIT: Final = 1 << 30  # bytes
_CHUNK: Final = 1 << 20
_WITHIN: Final = 1800.0  # seconds that a delivery may take

# Run in the waiting container: as many bytes as were announced become the file, whole or not at all.
_STORE: Final = """
import hashlib, os, sys
path, left, digest = sys.argv[1], int(sys.argv[2]), hashlib.sha256()
part = f"{path}.{os.getpid()}"
with open(part, "wb") as sink:
    while left:
        piece = sys.stdin.buffer.read1(min(left, 1 << 20))
        if not piece:
            sys.exit("the connection ended early")
        sink.write(piece)
        digest.update(piece)
        left -= len(piece)
if digest.hexdigest() != sys.argv[3]:
    sys.exit("it was damaged on its way")
os.rename(part, path)
"""


def write(path: Path, code: bytes, inputs: dict[str, Path]) -> dict[str, Any]:
    """Write a parcel.

    Args:
        path: Where to.
        code: A zip; may be empty.
        inputs: Files and folders by name.

    Returns:
        Its size in bytes and its SHA-256, for the handle.

    Raises:
        UsageError: It is too large.
        BackendError: It cannot be written, or an input cannot be read.
    """
    size = len(code) + sum(_size(source) for source in inputs.values())
    if size > LIMIT:
        names = ", ".join(f"{name} ({_size(source):,} bytes)" for name, source in inputs.items()) or "the code"
        raise UsageError(
            f"{names} cannot be sent to the pod: {size:,} bytes, and {LIMIT:,} are the most",
            advice="Put it where the pod reaches it: a volume, or a storage such as s3://bucket/prefix.",
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
            _add_code(archive, code)
            for name, source in inputs.items():
                archive.add(source, f"inputs/{name}/{source.name}")
        return {"size": path.stat().st_size, "digest": _digest(path)}
    except OSError as error:
        path.unlink(missing_ok=True)
        raise BackendError(
            f"what is to be sent to the pod cannot be written to {str(path)!r}: {error.strerror}",
            advice="Make room there, or set FRAMEWORK_HOME to a folder that can be written.",
        ) from error


def _add_code(archive: tarfile.TarFile, code: bytes) -> None:
    if not code:
        return
    with zipfile.ZipFile(io.BytesIO(code)) as packed:
        for entry in packed.infolist():
            member = tarfile.TarInfo(f"code/{entry.filename}")
            member.size, member.mode = entry.file_size, (entry.external_attr >> 16) & 0o777 or 0o644
            with packed.open(entry) as source:
                archive.addfile(member, source)


def _size(source: Path) -> int:
    return sum(path.stat().st_size for path in _files(source, ()))


def _files(path: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """All files at and below a path. What a link leads to is sent in its place.

    Raises:
        UsageError: A link leads nowhere, or to a folder that it is in.
    """
    real = path.resolve() if path.exists() else path
    if real in above or not path.exists():
        where = "a folder that it is in" if real in above else "nothing"
        raise UsageError(
            f"the link {str(path)!r}, which is in an input, leads to {where}, so that it cannot be sent to the pod",
            advice="Remove the link, or put the input where the pod reaches it: a volume, a storage.",
        )
    if not path.is_dir():
        yield path
        return
    for each in path.iterdir():
        yield from _files(each, (*above, real))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def is_waited_for(pod: Json) -> bool:
    """Whether the pod's first container waits for a parcel."""
    statuses = pod.get("status", {}).get("initContainerStatuses", [])
    return any(each["name"] == RECEIVER and "running" in each.get("state", {}) for each in statuses)


def interpreter(containers: list[Json], name: str) -> str:
    """The Python that one of a pod's containers was started by; others may have been put before it."""
    command: list[str] = next(each["command"] for each in containers if each["name"] == name)
    return command[0]


def deliver(api: Api, handle: Handle, pod: Json, path: Path) -> None:
    """Send a parcel to a pod that waits for it.

    Raises:
        BackendError: It could not be sent; it may be tried again.
    """
    parcel = handle["parcel"]
    place = f"/api/v1/namespaces/{handle['namespace']}/pods/{pod['metadata']['name']}"
    python = interpreter(pod["spec"]["initContainers"], RECEIVER)
    words = [python, "-I", "-S", "-c", _STORE, f"{PARCEL}.tar", str(parcel["size"]), parcel["digest"]]
    with path.open("rb") as source:
        api.execute(place, words, source, container=RECEIVER, timeout=_WITHIN)
