"""A bounded number of tries of every target; `run.py` makes as many as one likes (FRAMEWORK_FUZZ_TRIES here)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

TRIES = int(os.environ.get("FRAMEWORK_FUZZ_TRIES", "1500"))


def _module(name: str) -> ModuleType:
    """A module beside this one: test folders are no packages."""
    spec = spec_from_file_location(f"fuzz_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


targets, world = _module("targets"), _module("world")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[None]:
    before, folder = dict(os.environ), Path.cwd()
    world.make(tmp_path)
    yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", targets.TARGETS)
def test_nothing_but_a_clear_refusal(name: str, home: None) -> None:
    target = targets.TARGETS[name]
    targets.tried(target, max(1, round(TRIES * target.share)))
