"""How the examples of the documentation are run: in a folder and a home of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs one line of shell as a reader would, in an empty folder that has the repository's docs/."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "docs").symlink_to(Path(__file__).parents[2] / "docs")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FRAMEWORK_")}
    environment["FRAMEWORK_HOME"] = str(tmp_path / "home")
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run
