"""The conformance suite of plugins: that a distribution is found, is light, and keeps to the public doors.

    from framework.testing.plugins import PluginSuite

    class TestPlugin(PluginSuite):
        plugin = "runtime-ssh"

The distribution has to be installed, as its users install it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, get_args

import attrs
import click
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from framework.plugins.discovery import Candidate, installed
from framework.plugins.manager import PluginInfo, Plugins, Registered
from framework.plugins.registrations import Command, RuntimeKind, SecretStore, StorageScheme
from framework.plugins.targets import load_target
from framework.plugins.topics import TOPICS, Topic
from framework.runtimes import Capability

HEAVY = frozenset({"asyncio", "concurrent", "http", "multiprocessing", "sqlite3", "ssl", "unittest", "xml"})
"""Parts of the standard library that cost milliseconds to import."""

_LIGHT = {"attr", "attrs", "framework", "framework_run", "pluggy"}

_LOAD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from framework.plugins.manager import Plugins
import framework.plugins.registrations, framework.errors
before = set(sys.modules)
plugins = Plugins(allowed=[sys.argv[2]])
(row,) = [row for row in plugins.report() if row.name == sys.argv[2]]
print(json.dumps({
    "state": row.state, "reason": row.reason, "registers": row.registers, "brought": sorted(set(sys.modules) - before)
}))
"""

_RUN_SIDE = """
import importlib, pkgutil, sys
archive, name = sys.argv[1:]
sys.path.insert(0, archive)
package = importlib.import_module("framework_run.plugins." + name)
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
"""


class PluginSuite:
    """Everything that is asked of a distribution with an entry point in the group ``framework``.

    Set ``plugin`` to the entry point's name.
    """

    plugin: ClassVar[str]

    @pytest.fixture
    def candidate(self) -> Candidate:
        """What the metadata say of the plugin."""
        found = [candidate for candidate in installed().candidates if candidate.name == self.plugin]
        assert len(found) == 1, f"one installed distribution has the entry point {self.plugin!r}"
        return found[0]

    @pytest.fixture
    def package(self, candidate: Candidate) -> Path:
        """The folder of its import package."""
        spec = find_spec(candidate.module.partition(".")[0])
        assert spec is not None
        assert spec.origin is not None, f"{candidate.module} is in a regular package, not in a namespace"
        return Path(spec.origin).parent

    @pytest.fixture
    def alone(self, candidate: Candidate) -> dict[str, Any]:
        """What is to be seen when a fresh interpreter loads it and no other plugin."""
        command = [sys.executable, "-c", _LOAD, json.dumps([path for path in sys.path if path]), candidate.name]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == "", "it says nothing when it is loaded"
        seen: dict[str, Any] = json.loads(ended.stdout)
        return seen

    @pytest.fixture
    def row(self) -> PluginInfo:
        """Its row in the report, loaded with no other plugin."""
        (row,) = [row for row in Plugins(allowed=[self.plugin]).report() if row.name == self.plugin]
        return row

    def registered(self) -> Iterator[tuple[Topic, Any]]:
        """What it registers, with the topic of each."""
        plugins = Plugins(allowed=[self.plugin])
        tables: tuple[Mapping[str, Registered[Any]], ...] = (
            plugins.runtimes(),
            plugins.databases(),
            plugins.storages(),
            plugins.secret_stores(),
            plugins.notifiers(),
            plugins.builders(),
            plugins.commands(),
        )
        for topic, table in zip(TOPICS, tables, strict=True):
            yield from ((topic, found.item) for found in table.values() if found.plugin == self.plugin)

    def test_it_is_named_after_its_distribution_and_its_package(self, candidate: Candidate) -> None:
        distribution = re.sub(r"[-_.]+", "-", candidate.distribution).lower()
        assert distribution == f"framework-{candidate.name}"
        assert candidate.module.partition(".")[0] == distribution.replace("-", "_")

    def test_it_loads_and_registers_something(self, alone: dict[str, Any], row: PluginInfo) -> None:
        assert (alone["state"], alone["reason"]) == ("loaded", "")
        assert alone["registers"]
        assert row.registers == alone["registers"]

    def test_it_imports_nothing_heavy(self, candidate: Candidate, alone: dict[str, Any]) -> None:
        tops = {name.partition(".")[0] for name in alone["brought"]}
        own = candidate.module.partition(".")[0]
        assert tops - set(sys.stdlib_module_names) - _LIGHT == {own}
        assert tops & HEAVY == set()
        ours = {name for name in alone["brought"] if name.partition(".")[0] == "framework"}
        assert not {name for name in ours if name.startswith(("framework.models", "framework.engine", "framework.cli"))}
        assert {name for name in alone["brought"] if name.startswith(f"{own}.")} == {candidate.module}

    def test_every_target_is_a_class_of_its_interface(self) -> None:
        registered = list(self.registered())
        assert registered
        for topic, item in registered:
            target = item.runtime if isinstance(item, RuntimeKind) else item.target
            cls = load_target(target, self.plugin, topic.interface)
            assert not getattr(cls, "__abstractmethods__", None), f"{target} implements every method"
            if isinstance(item, Command):
                assert isinstance(cls, click.Command)
                assert cls.name == item.name
                assert cls.help

    def test_every_kind_is_described(self) -> None:
        for _, item in self.registered():
            if isinstance(item, RuntimeKind):
                assert re.fullmatch(r"[a-z][a-z0-9-]*", item.name)
                assert item.summary
                assert "\n" not in item.summary
                assert item.capabilities <= set(get_args(Capability))

    def test_the_options_of_every_kind_have_defaults(self) -> None:
        for _, item in self.registered():
            if isinstance(item, RuntimeKind) and item.options:
                cls = load_target(item.options, self.plugin)
                assert attrs.has(cls)
                required = [field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING]
                assert required == [], "a function that sets no option must work, and a new option change no version"

    def test_every_scheme_is_one_of_a_url(self) -> None:
        for topic, item in self.registered():
            if topic.key == "scheme":
                assert re.fullmatch(r"[a-z][a-z0-9+.-]*", item.scheme)

    def test_what_it_asks_of_the_core_has_an_upper_bound(self, candidate: Candidate) -> None:
        specifier = SpecifierSet(candidate.requirement)
        assert any(clause.operator in {">=", ">", "~=", "=="} for clause in specifier), "which core it was written for"
        assert not specifier.contains("999"), "the next core may have other hooks: framework-core>=0.N,<0.N+1"

    def test_its_metadata_are_whole(self, candidate: Candidate) -> None:
        about = metadata.distribution(candidate.distribution)
        assert str(Version(candidate.version)) == candidate.version, "the version is in the form of PEP 440"
        assert about.metadata["Summary"]
        asked = about.metadata["Requires-Python"]
        assert asked, "say which Pythons it runs on"
        assert SpecifierSet(asked).contains(".".join(map(str, sys.version_info[:3])))
        assert about.metadata["License-Expression"] or about.metadata["License"], "say its licence"
        for text in about.requires or ():
            assert Requirement(text).url is None, f"{text}: an index refuses direct references"

    def test_its_package_is_typed(self, package: Path) -> None:
        assert (package / "py.typed").is_file(), "PEP 561"

    def test_it_uses_public_doors_only(self, package: Path) -> None:
        found = []
        for path in sorted(package.rglob("*.py")):
            for line, module, names in _imports(path):
                parts = [*module.split("."), *names]
                private = [part for part in parts if part.startswith("_") and not part.startswith("__")]
                if parts[0] in {"framework", "framework_run"} and private:
                    found.append(f"{path.name}:{line}: {module} {', '.join(private)}")
                if module.startswith(("framework.cli", "framework.api")):
                    found.append(f"{path.name}:{line}: {module} is for people, not for plugins")
        assert found == []

    def test_its_run_side_travels_alone(self, package: Path, tmp_path: Path) -> None:
        folder = package / "runside"
        if not folder.is_dir():
            travels = (StorageScheme, SecretStore)
            assert not any(isinstance(item, travels) and item.runside for _, item in self.registered())
            pytest.skip("it has no run side")
        from framework.engine.archive import unpacked

        archive = unpacked(tmp_path, [package.name])
        command = [sys.executable, "-I", "-S", "-c", _RUN_SIDE, str(archive), package.name]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr


def _imports(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Every absolute import of a file: line, module, names taken from it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or "", [alias.name for alias in node.names]
