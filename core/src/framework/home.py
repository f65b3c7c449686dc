"""FRAMEWORK_HOME: the folder under which everything is written, and the places below it."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """FRAMEWORK_HOME, or the platform's folder for a user's data. It need not exist."""
    named = os.environ.get("FRAMEWORK_HOME")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("framework", appauthor=False))


def runs_dir(base: Path) -> Path:
    """The spools of runs that are not yet collected."""
    return base / "runs"


def live_dir(base: Path) -> Path:
    """The locks of processes that run functions inline."""
    return base / "live"


def cache_dir(base: Path, name: str) -> Path:
    """A cache: runner, envs, code, inputs."""
    return base / "cache" / name


def default_database(base: Path) -> str:
    """The URL of the embedded database."""
    return f"sqlite:///{base / 'framework.db'}"


def default_storage(base: Path) -> str:
    """The URL of the default storage."""
    return f"file://{base / 'artifacts'}"
