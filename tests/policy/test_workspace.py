"""Rules about the distributions and the settings of the tools, which a new plugin must not be forgotten in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def _packages(distribution: Path) -> list[str]:
    return sorted(path.parent.name for path in distribution.glob("src/*/__init__.py"))


@pytest.fixture(scope="session")
def projects(distributions: list[Path]) -> dict[str, dict[str, Any]]:
    return {folder.name: _read(folder / "pyproject.toml")["project"] for folder in distributions}


def test_a_plugin_is_called_as_its_folder_and_its_package(distributions: list[Path], projects: dict[str, Any]) -> None:
    for folder in distributions[1:]:
        assert projects[folder.name]["name"] == folder.name
        assert _packages(folder) == [folder.name.replace("-", "_")]
        assert set(projects[folder.name]["entry-points"]["framework"].values()) == {
            f"{folder.name.replace('-', '_')}.plugin"
        }


def test_the_versions_move_in_lockstep(projects: dict[str, Any], root: Path) -> None:
    version = _read(root / "pyproject.toml")["project"]["version"]
    assert {project["version"] for project in projects.values()} == {version}


def test_every_plugin_asks_for_the_core_of_its_own_minor_version(projects: dict[str, Any]) -> None:
    for name, project in projects.items():
        if name == "core":
            continue
        minor = int(project["version"].split(".")[1])
        assert f"framework-core>=0.{minor},<0.{minor + 1}" in project["dependencies"], name


def test_every_distribution_has_what_a_reader_and_an_installer_need(
    distributions: list[Path], projects: dict[str, Any]
) -> None:
    for folder in distributions:
        project = projects[folder.name]
        assert project["requires-python"] == ">=3.10"
        assert project["license"] == "Apache-2.0"
        assert project["description"]
        assert (folder / project["readme"]).read_text("utf-8").startswith(f"# {project['name']}")
        for package in _packages(folder):
            assert (folder / "src" / package / "py.typed").is_file(), package


def test_the_import_rules_name_every_package(distributions: list[Path], root: Path) -> None:
    linter = _read(root / "pyproject.toml")["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    packages = {package for folder in distributions for package in _packages(folder)}
    plugins = packages - {"framework", "framework_run"}
    assert set(linter["root_packages"]) == packages
    assert plugins | {"framework"} <= set(contracts["run-side"]["forbidden_modules"])
    assert set(contracts["core-without-plugins"]["forbidden_modules"]) == plugins
    assert set(contracts["plugins-apart"]["modules"]) == plugins
    assert set(contracts["plugins-doors"]["source_modules"]) == plugins


def test_the_workspace_names_every_distribution_as_its_own(projects: dict[str, Any], root: Path) -> None:
    sources = _read(root / "pyproject.toml")["tool"]["uv"]["sources"]
    assert set(sources) == {project["name"] for project in projects.values()}
    assert all(source == {"workspace": True} for source in sources.values())


def test_the_root_installs_the_batteries_for_local_use(root: Path) -> None:
    pytest.importorskip("hatchling")
    namespace: dict[str, Any] = {"__name__": "workspace_metadata"}
    source = (root / "contrib/build/workspace_metadata.py").read_text("utf-8")
    exec(compile(source, "workspace_metadata.py", "exec"), namespace)
    metadata: dict[str, Any] = {}
    namespace["CustomMetadataHook"](str(root), {}).update(metadata)
    names = [dependency.split(" @ ")[0] for dependency in metadata["dependencies"]]
    assert names == ["framework-core", "framework-runtime-local", "framework-db-sql", "framework-storage-file"]
    everything = {dependency.split(" @ ")[0] for dependency in metadata["optional-dependencies"]["all"]}
    assert everything == {path.parent.name for path in (root / "plugins").glob("*/pyproject.toml")}
