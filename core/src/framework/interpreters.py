"""The Pythons of this machine: the running one, those on PATH, and those that pyenv and uv have installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from framework.errors import BackendError

_OLDEST: Final = 10
_NEWEST: Final = 30


def find(specifier: str = "") -> str:
    """The interpreter for a function.

    Args:
        specifier: Which versions it needs, as in ``requires-python``; empty for any.

    Returns:
        This process's own where it fits, else the newest one that does.

    Raises:
        BackendError: There is none.
    """
    if not specifier:
        if not sys.executable:
            raise BackendError("this process does not know its interpreter", advice="Start it by python.")
        return sys.executable
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(specifier)
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.executable and wanted.contains(here, prereleases=True):
        return sys.executable
    for python in _candidates():
        found = version(python)
        if found and wanted.contains(found, prereleases=True):
            return python
    raise BackendError(
        f"spec.environment.python is {specifier!r}, and there is no such Python on PATH, of pyenv's or of uv's "
        f"(this one is {here})",
        advice="Install one, for instance with: uv python install",
    )


def version(python: str) -> str:
    """Its version; empty where it does not run, as a shim of pyenv's for a version that is not chosen."""
    import subprocess

    words = [python, "-I", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _candidates() -> Iterator[str]:
    """What may be an interpreter, the newest minor version first."""
    from shutil import which

    folders = list(_installed())
    for minor in range(_NEWEST, _OLDEST - 1, -1):
        name = f"python3.{minor}"
        on_path = which(name)
        if on_path:
            yield on_path
        yield from (str(folder / name) for folder in folders if (folder / name).is_file())


def _installed() -> Iterator[Path]:
    """The folders of programs of the Pythons that pyenv and uv have installed, the newest first as names go."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  which raises for nobody
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    for folder in (pyenv, uv):
        yield from sorted(folder.glob("*3.*/bin"), reverse=True)
