"""What the files of a checkout say without git."""

from __future__ import annotations

import os
from pathlib import Path

Signature = tuple[tuple[int, int], ...]


def top_of(folder: Path) -> Path | None:
    """The top folder of the checkout that a folder lies in; None outside of one."""
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def signature(top: Path) -> Signature:
    """Changes when a commit is made, another one is checked out, or something is staged."""
    git = _git_folder(top)
    return tuple(_stamp(git / name) for name in ("HEAD", "index", "logs/HEAD"))


def commit_of(top: Path) -> str:
    """The commit that is checked out, read from the files; empty where they do not say."""
    git = _git_folder(top)
    try:
        text = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not text.startswith("ref: "):
            return text
        name = text.removeprefix("ref: ")
        shared = git / "commondir"  # of a further working tree
        base = git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git
        if (base / name).is_file():
            return (base / name).read_text(encoding="utf-8").strip()
        packed = base / "packed-refs"
        lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    except OSError:
        return ""
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def _git_folder(top: Path) -> Path:
    """The folder of the repository; of a further working tree ``.git`` is a file that names it."""
    place = top / ".git"
    try:
        return top / place.read_text(encoding="utf-8").removeprefix("gitdir:").strip() if place.is_file() else place
    except OSError:
        return place


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116  once a second
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size
