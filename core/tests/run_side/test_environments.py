"""Environments of requirements: made once, kept, whole or not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from framework_run import environments
from framework_run.errors import InstallError, NetworkError

BASE = os.path.realpath(sys.executable)  # the interpreter that this environment was made from: it has no uv
SOURCES = Path(environments.__file__).parents[1]


@pytest.fixture
def wheel(tmp_path):
    """A distribution that needs no network: a requirement that names the file of its wheel."""

    def make(name: str, *, needs: str = "") -> str:
        path = tmp_path / f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (f"Requires-Dist: {needs}\n" if needs else "")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.py", f"NAME = {name!r}\n")
            archive.writestr(f"{info}/METADATA", about)
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        return f"{name} @ {path.as_uri()}"

    return make


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache" / "envs")


def imports(python: str, name: str) -> bool:
    done = subprocess.run([python, "-I", "-c", f"import {name}"], capture_output=True, check=False)
    return done.returncode == 0


def test_it_holds_the_requirements_and_nothing_of_this_environment(wheel, cache):
    lines: list[str] = []
    python = environments.ensure([wheel("fwone")], sys.executable, cache, lines.append)
    assert imports(python, "fwone")
    assert not imports(python, "pytest")
    assert "fwone" in lines[0]


def test_the_second_time_starts_nothing(wheel, cache, monkeypatch):
    requirement = wheel("fwone")
    python = environments.ensure([requirement], sys.executable, cache, lambda _: None)
    monkeypatch.setattr(subprocess, "Popen", None)
    lines: list[str] = []
    assert environments.ensure([requirement], sys.executable, cache, lines.append) == python
    assert environments.ready([requirement], sys.executable, cache) == python
    assert lines == []


def test_order_and_repetition_make_no_other_environment(cache):
    one = environments.folder(["b", "a", "a"], sys.executable, cache)
    assert one == environments.folder(["a", "b"], sys.executable, cache)
    assert one != environments.folder(["a"], sys.executable, cache)


def test_another_interpreter_has_another_environment(cache):
    others = sorted(Path.home().glob(".pyenv/versions/3.1[0-9].*/bin/python"))
    places = {environments.folder(["a"], str(python), cache) for python in others}
    assert len(places) == len(others)


def test_pip_does_it_where_uv_is_absent(wheel, cache):
    """A bare interpreter, and a PATH without uv."""
    script = (
        f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n"
        "from framework_run import environments\n"
        "say = lambda line: print(line, file=sys.stderr)\n"
        "print(environments.ensure([sys.argv[1]], sys.executable, sys.argv[2], say))"
    )
    done = subprocess.run(
        [BASE, "-I", "-c", script, wheel("fwone"), cache],
        env={"PATH": "/usr/bin:/bin", "PIP_USER": "1", "PYTHONPATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "(pip;" in done.stderr
    assert imports(done.stdout.strip(), "fwone")


def test_a_python_that_cannot_bring_a_pip_of_its_own_uses_the_one_beside_it(wheel, cache, monkeypatch):
    monkeypatch.setattr(environments, "installer", lambda _python: None)
    monkeypatch.setattr(environments, "_imports", lambda _python, _module: False)
    python = environments.ensure([wheel("fwone")], BASE, cache, lambda _line: None)
    assert imports(python, "fwone")
    assert not imports(python, "pip")


def test_a_half_made_environment_is_made_anew(wheel, cache):
    requirement = wheel("fwone")
    place = environments.folder([requirement], sys.executable, cache)
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").write_text("not whole")
    (place / "complete.json.part").write_text("{")
    assert imports(environments.ensure([requirement], sys.executable, cache, lambda _: None), "fwone")


def test_an_environment_whose_interpreter_has_gone_is_made_anew(wheel, cache):
    requirement = wheel("fwone")
    python = environments.ensure([requirement], sys.executable, cache, lambda _: None)
    Path(python).unlink()
    assert environments.ready([requirement], sys.executable, cache) is None
    assert imports(environments.ensure([requirement], sys.executable, cache, lambda _: None), "fwone")


def test_a_killed_maker_leaves_nothing_that_counts(wheel, cache):
    requirement = wheel("fwone")
    script = (
        f"import sys; sys.path.insert(0, {str(SOURCES)!r})\n"
        "import os, signal\n"
        "from framework_run import environments\n"
        "environments._call = lambda words, report, call=environments._call: (call(words, report), "
        "os.kill(os.getpid(), signal.SIGKILL))\n"
        "environments.ensure([sys.argv[1]], sys.executable, sys.argv[2], print)"
    )
    done = subprocess.run([sys.executable, "-c", script, requirement, cache], capture_output=True, check=False)
    assert done.returncode == -9
    assert environments.folder([requirement], sys.executable, cache).is_dir()
    assert environments.ready([requirement], sys.executable, cache) is None
    assert imports(environments.ensure([requirement], sys.executable, cache, lambda _: None), "fwone")


def test_those_who_ask_at_once_wait_for_the_one_that_makes_it(wheel, cache):
    requirement = wheel("fwone")
    lines: list[str] = []
    pythons: list[str] = []

    def ask() -> None:
        pythons.append(environments.ensure([requirement], sys.executable, cache, lines.append))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pythons)) == 1
    assert len(pythons) == 4
    assert sum(line.startswith("making") for line in lines) == 1
    marker = json.loads((Path(pythons[0]).parents[1] / "complete.json").read_text())
    assert marker["requirements"] == [requirement]


def test_what_cannot_be_installed_ends_with_the_tools_own_words(wheel, cache, tmp_path):
    with pytest.raises(InstallError, match=r"cannot be installed: .*nowhere\.whl\n") as caught:
        environments.ensure([f"fwone @ file://{tmp_path}/nowhere.whl"], sys.executable, cache, lambda _: None)
    assert caught.value.cause == "BadInput"
    assert len(str(caught.value).splitlines()) <= 13


@pytest.mark.parametrize("tool", ["uv", pytest.param("pip", marks=pytest.mark.slow)])
def test_an_index_that_does_not_answer_is_said_so(cache, monkeypatch, tool):
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    if tool == "pip":
        monkeypatch.setattr(environments, "installer", lambda _: None)
    with pytest.raises(NetworkError) as caught:
        environments.ensure(["fw-is-nowhere"], sys.executable, cache, lambda _: None)
    assert caught.value.cause == "BackendError"
    assert "network" in caught.value.advice


@pytest.mark.parametrize("text", ["--index-url=http://elsewhere", "-e .", " ", ""])
def test_options_are_no_requirements(cache, text):
    with pytest.raises(InstallError, match="is no requirement"):
        environments.ensure([text], sys.executable, cache, lambda _: None)


def test_an_interpreter_that_does_not_run_is_named(cache, tmp_path):
    with pytest.raises(InstallError, match="is no Python that runs"):
        environments.ensure(["a"], str(tmp_path / "python"), cache, lambda _: None)
