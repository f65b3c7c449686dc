from __future__ import annotations

import sys

import pytest

from framework import interpreters
from framework.errors import BackendError


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    for name in ("PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.setenv(name, str(tmp_path))


def make(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_interpreter_is_this_one_where_it_fits():
    assert interpreters.find() == sys.executable
    assert interpreters.find(f">={sys.version_info[0]}.{sys.version_info[1]}") == sys.executable


def test_another_interpreter_is_found_on_the_path(tmp_path):
    assert make(tmp_path / "python3.29", "echo 3.29.1") == interpreters.find(">=3.29")


def test_a_shim_that_runs_nothing_is_passed_over(tmp_path):
    make(tmp_path / "python3.30", "exit 127")
    assert make(tmp_path / "python3.29", "echo 3.29.1") == interpreters.find(">=3.29")


@pytest.mark.parametrize("folder", ["versions/3.29.1", "cpython-3.29.1-linux-x86_64-gnu"])
def test_one_that_pyenv_or_uv_has_installed_is_found(tmp_path, folder):
    make(tmp_path / "python3.29", "exit 127")  # the shim
    make(tmp_path / "versions" / "3.28.2" / "bin" / "python3.28", "echo 3.28.2")
    assert make(tmp_path / folder / "bin" / "python3.29", "echo 3.29.1") == interpreters.find("==3.29.*")


def test_an_interpreter_that_is_nowhere_is_named():
    with pytest.raises(BackendError, match=r"spec\.environment\.python is '>=3\.29'") as caught:
        interpreters.find(">=3.29")
    assert "uv python install" in caught.value.advice
