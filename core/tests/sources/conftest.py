from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with files: ``plant({"a.py": "x = 1"})``."""

    def make(files: dict[str, str], name: str = "work") -> Path:
        for path, text in files.items():
            place = tmp_path / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(dedent(text), encoding="utf-8")
        return tmp_path / name

    return make
