"""The content of a folder: the digest of every file in it that belongs to the code."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Final

from framework.errors import SourceError
from framework.home import cache_dir, home
from framework.sources.ignore import NAMES, SUFFIXES, Ignore, is_ignored

_WORTH_A_CACHE: Final = 200  # files; reading fewer takes less time than the cache does
_TICK_NS: Final = 100_000_000
"""Far longer than a file system's clock ticks: a file that changed less than this before it was read may change again
within the same tick, and its times would not tell."""


Found = tuple[str, str]  # path relative to the root, and what says that the file has not changed


def tree(folder: Path) -> dict[str, str]:
    """The files of a folder, by path relative to it, with their digests (``sha256:…``).

    Left out are caches, environments, version control (`framework.sources.ignore.NAMES`) and what the folder's
    ``.gitignore`` files ignore. Links are followed. Of a large folder the digests are remembered in the home's cache,
    each for as long as size, times and inode of the file stay what they are.

    Args:
        folder: The folder.

    Raises:
        SourceError: A part of it cannot be read.
    """
    root = os.fspath(folder)
    began = time.time_ns()
    try:
        found = _walk(root, "", ())
        found.sort()
        cache = _cache_file(root) if len(found) >= _WORTH_A_CACHE else None
        known = _read(cache) if cache is not None else {}
        files = {path: known.get(key) or _digest(f"{root}/{path}") for path, key in found}
    except OSError as error:
        raise SourceError(
            f"{error.filename!r} cannot be read: {error.strerror}",
            advice="Make it readable, or ignore it in .gitignore.",
        ) from None
    if cache is not None and any(key not in known for _, key in found):
        _write(cache, {key: files[path] for path, key in found if _has_settled(key, began)})
    return files


def _walk(root: str, prefix: str, ignores: tuple[Ignore, ...]) -> list[Found]:
    with os.scandir(f"{root}/{prefix}") as listing:
        entries = list(listing)
    names = {entry.name for entry in entries}
    if "pyvenv.cfg" in names and prefix:
        return []  # a virtual environment, whatever it is called
    if ".gitignore" in names:
        text = Path(root, prefix, ".gitignore").read_text(encoding="utf-8", errors="replace")
        ignores = (Ignore(text, prefix), *ignores)
    found: list[Found] = []
    for entry in entries:
        name = entry.name
        if name in NAMES or name.endswith(SUFFIXES):
            continue
        path = prefix + name
        is_folder = entry.is_dir()
        if ignores and is_ignored(path, is_folder=is_folder, ignores=ignores):
            continue
        if is_folder:
            if not (entry.is_symlink() and _leads_back(root, path)):
                found += _walk(root, f"{path}/", ignores)
        elif entry.is_file():
            stat = entry.stat()
            key = f"{path}/{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
            found.append((path if path.isascii() else _text(path), key))
    return found


def _leads_back(root: str, path: str) -> bool:
    """Whether a link to a folder leads to one that it lies in."""
    target = os.path.realpath(f"{root}/{path}")
    here = os.path.realpath(os.path.dirname(f"{root}/{path}"))  # noqa: PTH120  as text, like its neighbours
    return here == target or here.startswith(f"{target.rstrip('/')}/")


def _text(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise SourceError(f"the file name {path!r} is no UTF-8", advice="Rename it, or ignore it.") from None
    return path


def _has_settled(key: str, began: int) -> bool:
    _, modified, changed, _ = key.rpartition("/")[2].split()
    return max(int(modified), int(changed)) < began - _TICK_NS


def _digest(path: str) -> str:
    content = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123  ten thousand files: each call counts
        while piece := stream.read(1 << 20):
            content.update(piece)
    return f"sha256:{content.hexdigest()}"


def _cache_file(root: str) -> Path:
    name = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_dir(home(), "digests") / f"{name}.json"


def _read(path: Path) -> dict[str, str]:
    try:
        content: dict[str, str] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, str]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(path)
    except OSError:  # a read-only home or a full disk: the next time takes as long as this one
        try:
            partial.unlink(missing_ok=True)
        except OSError:
            return
