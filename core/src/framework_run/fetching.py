"""Inputs that are fetched where the run is, by a link that was signed when it was planned."""

from __future__ import annotations

import hashlib
import os
import time
from typing import IO, Any
from urllib.error import HTTPError, URLError

from framework_run.errors import StorageError

_CHUNK = 1024 * 1024  # bytes read at once
_TRIES = 6
_FIRST_WAIT = 0.5  # seconds before the second try; twice as many before each further one
_TIMEOUT = 60.0  # seconds without a sign of the server
_TRANSIENT = {408, 429, 500, 502, 503, 504}


def fetch(inputs: dict[str, Any], folder: str) -> dict[str, Any]:
    """Fetch the inputs that have a link and no path, each into a folder of its own.

    Args:
        inputs: Of the submission: ``{name: {"url", "digest", "name"} or {"path"}}``.
        folder: Below which they are put.

    Returns:
        The inputs, each with its path. What was kept as a folder is one again.

    Raises:
        StorageError: One cannot be fetched, or is not what its digest says.
    """
    return {name: place if "path" in place else _fetched(name, place, folder) for name, place in inputs.items()}


def _fetched(name: str, place: dict[str, Any], folder: str) -> dict[str, Any]:
    from framework_run.folders import is_packed, unpack

    home = os.path.join(folder, "inputs", name)  # noqa: PTH118  pathlib is slow to import on the run side
    os.makedirs(home, exist_ok=True)  # noqa: PTH103
    path = os.path.join(home, os.path.basename(place.get("name") or "") or "content")  # noqa: PTH118, PTH119
    partial = f"{path}.part"
    try:
        with open(partial, "w+b") as file:  # noqa: PTH123
            found = _download(name, place["url"], file)
            if found != place["digest"]:
                raise StorageError(
                    f"the input {name!r} has changed: it should be {place['digest']} and is {found}",
                    advice="Make it again, and run it again.",
                )
            file.seek(0)
            if is_packed(file):
                unpack(file, path)
                os.unlink(partial)  # noqa: PTH108
            else:
                os.rename(partial, path)  # noqa: PTH104
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"the input {name!r} cannot be kept: {error}", advice="Give it more disk.") from error
    return {**place, "path": path}


def _download(name: str, url: str, file: IO[bytes]) -> str:
    """Download into a file, from its beginning at each try; returns the digest of what came."""
    wait = _FIRST_WAIT
    for left in reversed(range(_TRIES)):
        try:
            return _once(url, file)
        except HTTPError as error:
            with error:
                why = f"{error.code} {error.reason}"
            if error.code not in _TRANSIENT or not left:
                raise _refused(name, why, expired=error.code == 403) from None  # noqa: PLR2004  Forbidden
        except (URLError, EOFError, TimeoutError, ConnectionError) as error:
            if not left:
                raise _refused(name, str(getattr(error, "reason", error))) from None
        time.sleep(wait)
        wait *= 2
    raise AssertionError  # pragma: no cover  the last try returns or raises


def _once(url: str, file: IO[bytes]) -> str:
    from urllib.request import urlopen

    file.seek(0)
    file.truncate()
    content, size = hashlib.sha256(), 0
    with urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310  of the plan
        while piece := answer.read(_CHUNK):
            content.update(piece)
            file.write(piece)
            size += len(piece)
        length = answer.headers.get("Content-Length")
    if length is not None and int(length) != size:
        raise EOFError(f"the connection ended after {size:,} of {int(length):,} bytes")
    return f"sha256:{content.hexdigest()}"


def _refused(name: str, why: str, *, expired: bool = False) -> StorageError:
    advice = "The link may have expired: run it again." if expired else "Check that the run reaches the storage."
    return StorageError(f"the input {name!r} cannot be fetched: {why}", advice=advice)
