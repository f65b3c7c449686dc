"""The identity of a folder: the digest of every file in it that is code or belongs to it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final

from framework.home import cache_dir, home

IGNORED: Final = frozenset(
    {".git", ".hg", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules", ".DS_Store"}
)
_SUFFIXES = (".pyc", ".pyo", ".egg-info")
_WORTH_IT = 200  # files from which a cache of digests pays


def tree(folder: Path) -> dict[str, str]:
    """The files of a folder, relative path to ``sha256:…``; version control, caches and environments are left out.

    Of a large folder the digests are remembered under the home's cache by size, inode and times of a file.
    """
    root = os.fspath(folder)
    found = sorted(_walk(root, ""))
    cache = _cache_file(root) if len(found) >= _WORTH_IT else None
    known = _read(cache) if cache else {}
    files, seen = {}, {}
    for name, stat in found:
        key = f"{stat.st_size}.{stat.st_mtime_ns}.{stat.st_ctime_ns}.{stat.st_ino}"
        entry = known.get(name)
        digest = entry[1] if entry is not None and entry[0] == key else _digest(f"{root}/{name}")
        files[name] = digest
        seen[name] = [key, digest]
    if cache and seen != known:
        _write(cache, seen)
    return files


def _walk(root: str, prefix: str) -> list[tuple[str, os.stat_result]]:
    found = []
    with os.scandir(f"{root}/{prefix}") as entries:
        for entry in entries:
            if entry.name in IGNORED or entry.name.endswith(_SUFFIXES):
                continue
            if entry.is_dir(follow_symlinks=False):
                found += _walk(root, f"{prefix}{entry.name}/")
            elif entry.is_file():
                found.append((prefix + entry.name, entry.stat()))
    return found


def _digest(path: str) -> str:
    with open(path, "rb") as stream:  # noqa: PTH123  ten thousand files: every microsecond counts
        return f"sha256:{hashlib.sha256(stream.read()).hexdigest()}"


def _cache_file(root: str) -> Path:
    return cache_dir(home(), "code") / f"{hashlib.sha256(root.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> dict[str, list[str]]:
    try:
        content: dict[str, list[str]] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content


def _write(path: Path, content: dict[str, list[str]]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)  # a cache is a help, not a need
