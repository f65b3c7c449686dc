"""The wheels: what is in them, and that each installs alone and says what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BATTERIES = ["framework-runtime-local", "framework-db-sql", "framework-storage-file"]
MOST_DISTRIBUTIONS = 12
MOST_BYTES = 15 * 1024 * 1024
OWN = "framework"
SEEDED = {"pip", "setuptools"}  # by venv itself

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging"), pytest.mark.timeout(300)]


class Installation:
    """A fresh virtual environment, a home, and an empty folder to work in."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        self.python = folder / "venv/bin/python"
        self.wheels = wheels
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "hello.py").write_text('def greet(who: str = "world") -> str:\n    return f"Hello, {who}!"\n')
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("FRAMEWORK_", "PYTHON"))},
            "FRAMEWORK_HOME": str(folder / "home"),
            "PATH": f"{folder / 'venv/bin'}:/usr/local/bin:/usr/bin:/bin",
        }

    def install(self, *names: str) -> None:
        command = [self.python, "-m", "pip", "install", "-q", "--find-links", self.wheels, *names]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr

    def framework(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python.parent / "framework", *words],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def distributions(self) -> set[str]:
        source = "import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})"
        listed = subprocess.run([self.python, "-c", source], capture_output=True, text=True, check=True)
        return set(listed.stdout.split()) - SEEDED


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of all distributions, built as a packager would build them."""
    folder = tmp_path_factory.mktemp("wheels")
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    sources = [ROOT / "core", *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
    command = [folder / "venv/bin/python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder / "dist", *sources]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def core_alone(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("core"), wheels)
    installation.install("framework-core")
    return installation


@pytest.fixture(scope="module")
def with_batteries(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("batteries"), wheels)
    installation.install("framework-core", *BATTERIES)
    return installation


def test_a_wheel_holds_its_package_whole_and_nothing_else(wheels: Path) -> None:
    built = sorted(wheels.glob("*.whl"))
    assert len(built) == 1 + len(list(ROOT.glob("plugins/*/pyproject.toml")))
    for wheel in built:
        name = wheel.name.split("-")[0]
        source = ROOT / "core" if name == "framework_core" else ROOT / "plugins" / name.replace("_", "-")
        wanted = {
            str(path.relative_to(source / "src"))
            for path in (source / "src").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        packed = {entry for entry in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in entry}
        assert packed == wanted


def test_the_core_alone_has_its_command_line(core_alone: Installation) -> None:
    assert core_alone.framework("--version").stdout.startswith("framework 0.")
    assert core_alone.framework("--help").returncode == 0
    assert json.loads(core_alone.framework("plugins", "--json").stdout) == []


def test_the_core_alone_says_what_to_install_for_a_run(core_alone: Installation) -> None:
    ended = core_alone.framework("run", "hello.py:greet")
    assert ended.returncode == 2
    assert "pip install framework-" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 15


def test_the_core_alone_says_what_to_install_for_a_database(core_alone: Installation) -> None:
    ended = core_alone.framework("runs", "list")
    assert ended.returncode == 2
    assert "pip install framework-db-sql" in ended.stderr


def test_the_core_imports_with_nothing_else(core_alone: Installation) -> None:
    subprocess.run([core_alone.python, "-W", "error", "-c", "import framework, framework_run"], check=True)


@pytest.mark.parametrize("name", BATTERIES)
def test_a_plugin_alone_brings_the_core_and_is_listed(wheels: Path, tmp_path: Path, name: str) -> None:
    installation = Installation(tmp_path, wheels)
    installation.install(name)
    plugins = json.loads(installation.framework("plugins", "--json").stdout)
    assert [(plugin["distribution"], plugin["state"]) for plugin in plugins] == [(name, "loaded")]
    ended = installation.framework("run", "hello.py:greet")
    assert ended.returncode == 2
    assert "pip install framework-" in ended.stderr


def test_the_core_and_the_batteries_run_a_function(with_batteries: Installation) -> None:
    ended = with_batteries.framework("run", "hello.py:greet", "--who", "wheel", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["status"]["results"] == {"return": "Hello, wheel!"}


def test_the_core_and_the_batteries_are_few_and_small(with_batteries: Installation) -> None:
    third_party = {name for name in with_batteries.distributions() if not name.startswith(OWN)}
    assert len(third_party) <= MOST_DISTRIBUTIONS, third_party
    packages = (
        with_batteries.python.parent.parent / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    )
    size = sum(
        path.stat().st_size
        for path in packages.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not path.relative_to(packages)
        .parts[0]
        .startswith(("pip", "setuptools", "pkg_resources", "_distutils_hack"))
    )
    assert size <= MOST_BYTES


def test_a_users_code_is_checked_strictly_against_the_installed_types(with_batteries: Installation) -> None:
    mypy = pytest.importorskip("mypy.api")
    source = with_batteries.work / "typed.py"
    source.write_text(
        "import framework as fw\n\n\n"
        "@fw.function\n"
        "def double(number: int) -> int:\n"
        "    return 2 * number\n\n\n"
        "answer: int = double(21)\n"
        "run = double.run(params={'number': 21})\n"
        "state: str = run.state\n"
    )
    out, err, status = mypy.run(
        ["--strict", f"--python-executable={with_batteries.python}", "--no-incremental", str(source)]
    )
    assert status == 0, out + err
