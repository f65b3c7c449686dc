"""What is noted of the submitting side with every run: found once a process."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Python, platform, host, command line, and the git commit of the working folder."""
    return _facts(os.getcwd())  # noqa: PTH109  with every inline run: pathlib costs five times as much


@cache
def _facts(folder: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": sys.platform,
        "machine": platform.machine(),
        "host": platform.node(),
        "folder": folder,
        "command": sys.argv[:20],
    }
    commit = git_commit(Path(folder))
    if commit:
        facts["git_commit"] = commit
    return facts


def git_commit(folder: Path) -> str:
    """The commit that a folder's checkout is at, read from its files; empty outside of one."""
    for place in (folder, *folder.parents):
        head = place / ".git" / "HEAD"
        if head.is_file():
            return _commit(place / ".git", head)
    return ""


def _commit(git: Path, head: Path) -> str:
    try:
        text = head.read_text(encoding="utf-8").strip()
        if not text.startswith("ref: "):
            return text
        name = text.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8") if (git / "packed-refs").is_file() else ""
    except OSError:
        return ""
    return next((line.split()[0] for line in packed.splitlines() if line.endswith(f" {name}")), "")
