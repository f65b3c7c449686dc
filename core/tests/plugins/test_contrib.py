"""The plugins in contrib are built, installed beside everything else, and pass the suites, as a third party's would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[3] / "contrib"
CACHES = shutil.ignore_patterns("__pycache__", ".*cache")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def _renamed(source: Path, target: Path, word: str) -> Path:
    """What the template's README tells its readers to do."""
    shutil.copytree(source, target, ignore=CACHES)
    (target / "src/framework_storage_template").rename(target / f"src/framework_storage_{word}")
    for path in target.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            path.write_text(text.replace("template", word).replace("Template", word.title()), "utf-8")
    return target


def _built(folder: Path, site: Path) -> None:
    """Build the wheel, and put it where an installer would."""
    pytest.importorskip("hatchling")
    source = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    dist = folder.parent / "dist"
    dist.mkdir()
    built = subprocess.run(
        [sys.executable, "-c", source, dist], cwd=folder, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


def _tested(folder: Path, site: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FRAMEWORK_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(site), "FRAMEWORK_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests"]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("kind", ["example", "template"])
def test_a_plugin_of_a_third_party_passes_the_suites(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "plugin"
    if kind == "example":
        shutil.copytree(CONTRIB / "example-plugin", folder, ignore=CACHES)
    else:
        _renamed(CONTRIB / "plugin-template", folder, "acme")
        assert not [path for path in folder.rglob("*") if path.is_file() and "emplate" in path.read_text("utf-8")]
    _built(folder, tmp_path / "site")
    output = _tested(folder, tmp_path / "site")
    match = re.search(r"(\d+) passed", output)
    assert match, output
    assert int(match[1]) > 45, "the suites were run, and not left out"
