from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from framework.plugins.discovery import entry_points, installed


def _ours(site) -> list[tuple[str, str, str, str]]:
    return [
        (found.name, found.distribution, found.version, found.requirement)
        for found in installed().candidates
        if found.module.split(".")[0] in site.packages
    ]


def test_a_plugin_is_found_by_its_metadata_and_not_imported(site) -> None:
    site.install("runtime-acme", "raise RuntimeError", version="1.2.3", requires="framework-core>=0.1,<0.2")
    assert _ours(site) == [("runtime-acme", "framework-runtime-acme", "1.2.3", ">=0.1,<0.2")]
    assert "framework_runtime_acme" not in sys.modules


def test_what_is_found_is_what_importlib_finds() -> None:
    by_importlib = {
        (point.name, point.value, point.dist.metadata["Name"], point.dist.version)
        for point in metadata.entry_points(group="framework")
    }
    found = {(it.name, it.module, it.distribution, it.version) for it in installed().candidates}
    assert found == by_importlib
    assert found, "the plugins of this repository are installed in the environment of its tests"
    assert installed().core == metadata.version("framework-core")


def test_of_one_distribution_twice_on_the_path_the_first_counts(site, tmp_path: Path, monkeypatch) -> None:
    site.install("runtime-acme", version="1.0")
    site.install("runtime-acme", version="2.0", folder=tmp_path / "first")
    monkeypatch.syspath_prepend(str(tmp_path / "first"))
    assert [version for _, _, version, _ in _ours(site)] == ["2.0"]


def test_a_distribution_without_entry_points_hides_a_later_one_of_its_name(site, tmp_path: Path, monkeypatch) -> None:
    site.install("runtime-acme", version="1.0")
    (tmp_path / "first" / "framework_runtime_acme-2.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "first"))
    assert _ours(site) == []


def test_a_plugin_in_a_zip_on_the_path_is_found(site, tmp_path: Path, monkeypatch) -> None:
    site.install("runtime-acme", version="1.0", folder=tmp_path / "unpacked")
    with zipfile.ZipFile(tmp_path / "plugins.zip", "w") as archive:
        for path in (tmp_path / "unpacked").rglob("*"):
            archive.write(path, path.relative_to(tmp_path / "unpacked"))
    monkeypatch.syspath_prepend(str(tmp_path / "plugins.zip"))
    assert _ours(site) == [("runtime-acme", "framework-runtime-acme", "1.0", ">=0.1,<0.2")]


def test_a_plugin_of_an_installation_of_old_is_found(site) -> None:
    site.install("runtime-acme", version="1.0")
    about = site.folder / "framework_runtime_acme-1.0.dist-info"
    (about / "METADATA").unlink()
    (about / "PKG-INFO").write_text("Name: framework-runtime-acme\nVersion: 1.0\n")
    (about / "requires.txt").write_text("framework-core>=0.1\n")
    about.rename(site.folder / "framework_runtime_acme.egg-info")
    assert _ours(site) == [("runtime-acme", "framework-runtime-acme", "1.0", ">=0.1")]


@pytest.mark.parametrize("damage", ["missing", "empty", "binary"])
def test_damaged_metadata_hide_no_plugin(site, damage: str) -> None:
    site.install("runtime-acme", version="1.0")
    file = site.folder / "framework_runtime_acme-1.0.dist-info" / "METADATA"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "empty" else bytes(range(256)))
    assert _ours(site) == [("runtime-acme", "framework_runtime_acme", "1.0", "")]


def test_a_requirement_that_cannot_be_read_is_told(site) -> None:
    site.install("runtime-acme", requires="framework-core=>1")
    (found,) = [it for it in installed().candidates if it.name == "runtime-acme"]
    assert "framework-core" in found.problem


def test_entry_points_are_read_from_their_own_section() -> None:
    text = "[other]\na = b\n\n[framework]\n# note\none = pkg.one\ntwo=pkg.two [extra]\n\n[after]\nc = d\n"
    assert entry_points(text) == [("one", "pkg.one"), ("two", "pkg.two")]


def test_finding_imports_neither_importlib_metadata_nor_packaging(site) -> None:
    site.install("runtime-acme", requires="framework-core[testing]; extra == 'test'")
    source = (
        "import sys; from framework.plugins.manager import Plugins; assert Plugins().runtimes() is not None;"
        "print(sorted({'importlib.metadata', 'packaging', 'email', 'framework.models'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(site.folder)}
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout.strip() == "[]"
