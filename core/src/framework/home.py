"""FRAMEWORK_HOME: the folder under which everything is written, and the places below it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

from framework.errors import BackendError, UsageError

VARIABLE = "FRAMEWORK_HOME"


def home() -> Path:
    """FRAMEWORK_HOME, or the folder ``framework`` in the platform's place for a user's data. It need not exist.

    Returns:
        An absolute path.

    Raises:
        UsageError: The user has no home folder, and FRAMEWORK_HOME is not set.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    base = _user_data()
    if not base.is_absolute():
        raise UsageError(
            f"this user has no home folder ({str(base)!r}), so there is no place for runs",
            advice=f"Set {VARIABLE} to a folder that is writable.",
        )
    return base / "framework"


def runs_dir(base: Path) -> Path:
    """The spools of runs that are not yet collected."""
    return base / "runs"


def live_dir(base: Path) -> Path:
    """The locks of processes that run functions inline."""
    return base / "live"


def cache_dir(base: Path, name: str) -> Path:
    """A cache: runner, envs, code, inputs. It may be deleted at any time when nothing runs."""
    return base / "cache" / name


def config_file(base: Path) -> Path:
    """Where ``framework config set`` writes."""
    return base / "config.toml"


def default_database(base: Path) -> str:
    """The URL of the embedded database; signs that mean something in a URL are percent-encoded."""
    return f"sqlite:///{quote(str(base / 'framework.db'))}"


def default_storage(base: Path) -> str:
    """The URL of the default storage, encoded likewise."""
    return f"file://{quote(str(base / 'artifacts'))}"


def make(folder: Path) -> Path:
    """Make a folder in the home, with those above it.

    Returns:
        The same folder.

    Raises:
        BackendError: It cannot be made: the home is read-only, full, or no folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_writable(folder, error) from error
    return folder


def not_writable(path: Path, error: OSError) -> BackendError:
    """The error for a place in the home that did not take what was written."""
    return BackendError(
        f"{str(path)!r} cannot be written: {error.strerror or error}",
        advice=f"Make it writable, or set {VARIABLE} to a folder that is.",
    )


def _user_data() -> Path:
    """Where a user's programs keep data, on each platform.

    By the XDG Base Directory Specification 0.8, Apple's File System Programming Guide, and Windows' Known Folders, as
    the package platformdirs has them; that takes longer to import than all of this module. `os.path.expanduser`:
    `pathlib` raises for a user without a home folder, and `home` has the better words for that.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local"))  # noqa: PTH111
    if sys.platform == "darwin":
        return Path(os.path.expanduser("~/Library/Application Support"))  # noqa: PTH111
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    return named if named.is_absolute() else Path(os.path.expanduser("~/.local/share"))  # noqa: PTH111
