"""What the rules of the repository are checked on: the files that belong to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Every file that is, or may be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in sorted(set(listed.split("\0")) - {""}) if (path := root / name).is_file()]


@pytest.fixture(scope="session")
def python_files(files: list[Path]) -> list[Path]:
    return [path for path in files if path.suffix == ".py"]


@pytest.fixture(scope="session")
def markdown_files(files: list[Path]) -> list[Path]:
    return [path for path in files if path.suffix == ".md"]


@pytest.fixture(scope="session")
def distributions(root: Path) -> list[Path]:
    """The folders of all distributions: core and the plugins."""
    return [root / "core", *sorted(path.parent for path in (root / "plugins").glob("*/pyproject.toml"))]
