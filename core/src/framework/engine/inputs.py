"""The inputs of a run: where each is, and which content it has."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.errors import UsageError
from framework.home import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.engine.request import RunRequest
    from framework.engine.session import Session

Located = dict[str, dict[str, str]]
"""By the input's name: ``uri``, and ``path``, or for a run elsewhere ``url``, ``digest`` and ``name``."""

_LARGEST: Final = 1024**3  # bytes of an input that is read for its digest
_MOST: Final = 10_000  # files of a folder, likewise
_KEPT: Final = 1024**2  # bytes of a file whose digest is kept beyond this process
_SETTLED: Final = 2.0  # seconds since a file's last change after which a further change shows in its time
_digests: dict[tuple[str, int, int, int], str] = {}


def located(session: Session, request: RunRequest, *, far: bool = False) -> Located:
    """Where each input is: on this machine, or for a run elsewhere behind a link, where its storage has such.

    Args:
        session: Whose artifacts they may be.
        request: Which are asked for.
        far: The run does not share this machine's files.

    Raises:
        UsageError: One is not there.
    """
    if not request.inputs:
        return {}
    folder = Path(request.folder).absolute()
    inputs = request.inputs.items()
    return {name: {**_place(session, name, text, folder, far=far), "uri": text} for name, text in inputs}


def contents(home: Path, inputs: Located) -> dict[str, dict[str, Any]]:
    """What each input holds: ``digest`` and ``size`` in bytes.

    The digest of a folder is that of the names and digests of the files in it. What is too large to be read for it
    (1 GiB, or 10,000 files) has the time of its last change instead: ``modified``, in seconds since the epoch.

    Args:
        home: Under which digests are kept, so that a file is read again only when it has changed.
        inputs: Where they are.
    """
    return {
        name: content_of(home, Path(place["path"])) if "path" in place else {"digest": place["digest"]}
        for name, place in inputs.items()
    }


def content_of(home: Path, path: Path) -> dict[str, Any]:
    """As `contents`, of one file or folder; empty where it cannot be read."""
    try:
        if not path.is_dir():
            found = path.stat()
            if found.st_size > _LARGEST:
                return {"size": found.st_size, "modified": found.st_mtime}
            return {"digest": _digest(home, path, found), "size": found.st_size}
        return _folder(home, path)
    except OSError:
        return {}


def _place(session: Session, name: str, text: str, folder: Path, *, far: bool) -> dict[str, str]:
    if text.startswith("store://"):
        from framework.engine.stored import fetch_artifact, link_artifact

        link = link_artifact(session, text) if far else {}
        return link or {"path": str(fetch_artifact(session, text))}
    path = folder / Path(text.removeprefix("file://")).expanduser()
    if not path.exists():
        raise UsageError(f"the input {name!r} is {text!r}, which is not there", advice="Check the path.")
    return {"path": str(path)}


def _folder(home: Path, folder: Path) -> dict[str, Any]:
    files = []
    size = 0
    modified = folder.stat().st_mtime
    for path in _walk(folder):
        found = path.stat()
        files.append((path, found))
        size += found.st_size
        modified = max(modified, found.st_mtime)
        if len(files) > _MOST:
            return {"modified": modified}
    if size > _LARGEST:
        return {"size": size, "modified": modified}
    content = hashlib.sha256()
    for path, found in files:
        line = f"{path.relative_to(folder).as_posix()}\0{_digest(home, path, found)}\n"
        content.update(line.encode("utf-8", "surrogateescape"))
    return {"digest": f"sha256:{content.hexdigest()}", "size": size}


def _walk(folder: Path) -> Iterator[Path]:
    """Every file, in an order that depends on the names alone."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(place, name)).is_file())


def _digest(home: Path, path: Path, found: os.stat_result) -> str:
    key = (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
    if key in _digests:
        return _digests[key]
    note = cache_dir(home, "digests") / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    digest = _noted(note, key) if found.st_size >= _KEPT else ""
    if not digest:
        digest = _read(path)
        if abs(time.time() - found.st_mtime) > _SETTLED:
            _digests[key] = digest
            if found.st_size >= _KEPT:
                _note(note, key, digest)
    return digest


def _read(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_KEPT):
            content.update(piece)
    return f"sha256:{content.hexdigest()}"


def _noted(note: Path, key: tuple[Any, ...]) -> str:
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        return str(kept["digest"]) if kept["key"] == list(key) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _note(note: Path, key: tuple[Any, ...], digest: str) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(f"{note.name}.{os.getpid()}")
        part.write_text(json.dumps({"key": key, "digest": digest}), encoding="utf-8")
        part.replace(note)
    except (OSError, ValueError):
        return  # it is read again the next time
