"""The plugin manager: finds plugins, loads each in isolation, and looks up what they register."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

import pluggy
from attrs import Factory, define, frozen

from framework.databases import Database
from framework.errors import UnknownKind
from framework.plugins import hookspecs
from framework.plugins.discovery import Candidate, candidates, core_version
from framework.plugins.registrations import DatabaseScheme, RuntimeKind, StorageScheme
from framework.plugins.targets import load_target
from framework.runtimes import Runtime, RuntimeContext
from framework.storages import Storage

T = TypeVar("T", RuntimeKind, DatabaseScheme, StorageScheme)
PluginState = Literal["loaded", "failed", "blocked", "incompatible"]


@frozen(kw_only=True)
class Registered(Generic[T]):
    """Something that a plugin registers, and which plugin."""

    item: T
    plugin: str


@define(kw_only=True)
class PluginInfo:
    """One row of ``framework plugins``."""

    name: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    module: str = ""
    registers: list[str] = Factory(list)


class Plugins:
    """The plugins of a process; nothing is imported before something is looked up.

    Args:
        allowed: Exactly these are loaded, by entry point name; None for all, unless FRAMEWORK_PLUGINS says otherwise.
    """

    def __init__(self, allowed: Iterable[str] | None = None) -> None:
        named = os.environ.get("FRAMEWORK_PLUGINS")
        if allowed is None and named is not None:
            allowed = [name.strip() for name in named.split(",") if name.strip()]
        self._allowed = None if allowed is None else set(allowed)
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        self._loaded = False
        self._tables: dict[str, dict[str, Registered[Any]]] = {}

    def register(self, module: ModuleType | object, name: str) -> None:
        """Register a plugin that is no installed distribution, for embedding and for tests."""
        self._manager.register(module, name)
        self._infos[name] = PluginInfo(name=name, distribution="", version="", state="loaded")
        self._tables.clear()

    def load(self) -> None:
        """Load every plugin that may be loaded; one that fails is a row with its reason."""
        if self._loaded:
            return
        self._loaded = True
        for candidate in candidates():
            info = PluginInfo(
                name=candidate.name,
                distribution=candidate.distribution,
                version=candidate.version,
                module=candidate.module,
                state="loaded",
            )
            self._infos[candidate.name] = info
            info.state, info.reason = self._load(candidate)

    def runtimes(self) -> dict[str, Registered[RuntimeKind]]:
        """The kinds of runtime, by name."""
        return self._table("runtimes", "name")

    def databases(self) -> dict[str, Registered[DatabaseScheme]]:
        """The database schemes."""
        return self._table("databases", "scheme")

    def storages(self) -> dict[str, Registered[StorageScheme]]:
        """The storage schemes."""
        return self._table("storages", "scheme")

    def runtime(self, kind: str, context: RuntimeContext) -> Runtime:
        """A runtime of a kind.

        Raises:
            UnknownKind: No plugin registers it.
        """
        runtime: Runtime = load_target(self._find("kind", kind, self.runtimes(), "runtime").runtime)(context)
        return runtime

    def options_class(self, kind: str) -> type | None:
        """The attrs class of a kind's options; None for a kind without, or one that is not installed."""
        found = self.runtimes().get(kind)
        if found is None or not found.item.options:
            return None
        cls: type = load_target(found.item.options)
        return cls

    def database(self, url: str) -> Database:
        """Open a database by its URL.

        Raises:
            UnknownKind: No plugin registers its scheme.
            DatabaseError: It cannot be opened.
        """
        scheme = self._find("database scheme", url.partition("://")[0], self.databases(), "db")
        database: Database = load_target(scheme.target)(url)
        return database

    def storage(self, url: str) -> Storage:
        """Open a storage by its URL.

        Raises:
            UnknownKind: No plugin registers its scheme.
        """
        scheme = self._find("storage scheme", url.partition("://")[0], self.storages(), "storage")
        storage: Storage = load_target(scheme.target)(url)
        return storage

    def report(self) -> list[PluginInfo]:
        """Every plugin, loaded or not, with what it registers or why it does not."""
        registered: dict[str, list[str]] = {}
        tables: tuple[tuple[str, Mapping[str, Registered[Any]]], ...] = (
            ("runtime", self.runtimes()),
            ("database", self.databases()),
            ("storage", self.storages()),
        )
        for what, table in tables:
            for name, found in table.items():
                registered.setdefault(found.plugin, []).append(f"{what} {name}")
        for info in self._infos.values():
            info.registers = registered.get(info.name, [])
        return [self._infos[name] for name in sorted(self._infos)]

    def _load(self, candidate: Candidate) -> tuple[PluginState, str]:
        if self._allowed is not None and candidate.name not in self._allowed:
            return "blocked", "not in the list of plugins that are allowed"
        if candidate.requirement:
            from packaging.specifiers import SpecifierSet

            installed = core_version()
            if not SpecifierSet(candidate.requirement).contains(installed, prereleases=True):
                return "incompatible", f"needs framework-core {candidate.requirement}, and {installed} is installed"
        try:
            module = importlib.import_module(candidate.module)
            self._manager.register(module, candidate.name)
        except Exception as error:  # noqa: BLE001  a plugin may fail in any way; the rest works
            return "failed", f"{type(error).__name__}: {error}"
        return "loaded", ""

    def _table(self, hook: str, key: str) -> dict[str, Registered[Any]]:
        self.load()
        if hook not in self._tables:
            self._tables[hook] = self._ask(hook, key)
        return self._tables[hook]

    def _ask(self, hook: str, key: str) -> dict[str, Registered[Any]]:
        """Ask each plugin by itself, in order of name; of two that register one name the first has it, the other is told."""
        table: dict[str, Registered[Any]] = {}
        for name, plugin in sorted(self._manager.list_name_plugin()):
            implementation = getattr(plugin, f"framework_{hook}", None)
            if implementation is None:
                continue
            try:
                items = list(implementation())
            except Exception as error:  # noqa: BLE001  as above
                self._fail(name, f"framework_{hook}: {type(error).__name__}: {error}")
                continue
            for item in items:
                taken = table.setdefault(getattr(item, key), Registered(item=item, plugin=name))
                if taken.plugin != name:
                    self._fail(name, f"{getattr(item, key)!r} is registered by {taken.plugin} already")
        return table

    def _fail(self, name: str, reason: str) -> None:
        self._infos[name].state, self._infos[name].reason = "failed", reason

    def _find(self, what: str, name: str, table: Mapping[str, Registered[T]], prefix: str) -> T:
        if name in table:
            return table[name].item
        installed = ", ".join(sorted(table)) or "none"
        self_made = {"sqlite": "sql", "postgresql": "sql"}.get(name, name)
        for info in self._infos.values():
            if info.name == f"{prefix}-{self_made}" and info.state != "loaded":
                raise UnknownKind(
                    f"Unknown {what} {name!r} (installed: {installed}); the plugin {info.name} is {info.state}: {info.reason}",
                    advice="See: framework plugins",
                )
        raise UnknownKind(
            f"Unknown {what} {name!r} (installed: {installed})", advice=f"Try: pip install framework-{prefix}-{self_made}"
        )
