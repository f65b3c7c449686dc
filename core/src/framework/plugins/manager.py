"""The plugin manager: finds plugins, loads each in isolation, and looks up what they register."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import pluggy

from framework.errors import PluginError, UnknownKind, UsageError
from framework.plugins import hookspecs
from framework.plugins.loading import ANYTHING, PluginInfo, PluginState, load_candidate, register, told
from framework.plugins.registrations import Command, DatabaseScheme, NoOptions, RuntimeKind, SecretStore, StorageScheme
from framework.plugins.topics import (
    BUILDERS,
    COMMANDS,
    DATABASES,
    NOTIFIERS,
    RUNTIMES,
    SECRET_STORES,
    STORAGES,
    TOPICS,
    Registered,
    Table,
    Topic,
    ask,
)

if TYPE_CHECKING:
    from framework.builders import Builder
    from framework.databases import Database
    from framework.notifiers import Notifier
    from framework.plugins.registrations import Builder as BuilderRegistration
    from framework.plugins.registrations import Notifier as Registration
    from framework.runtimes import Runtime, RuntimeContext
    from framework.storages import Storage

__all__ = ["PluginInfo", "PluginState", "Plugins", "Registered"]

VARIABLE = "FRAMEWORK_PLUGINS"
CORE = "core"  # whose are the secret stores and notifiers that need no plugin
# One distribution brings both: the convention framework-db-SCHEME would name one that does not exist.
_DISTRIBUTION_OF = {"db-sqlite": "db-sql", "db-postgresql": "db-sql"}


class Plugins:
    """The plugins of a process; nothing is imported before something is looked up.

    Args:
        allowed: Exactly these are loaded, by entry point name; None for all, unless FRAMEWORK_PLUGINS says otherwise.
    """

    def __init__(self, allowed: Iterable[str] | None = None) -> None:
        named = os.environ.get(VARIABLE)
        if allowed is None and named is not None:
            allowed = [name.strip() for name in named.split(",") if name.strip()]
        self._allowed = None if allowed is None else set(allowed)
        self._infos: list[PluginInfo] = []
        self._used: dict[str, PluginInfo] = {}  # the rows of those that are registered, by name
        self._tables: dict[str, Table[Any]] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._loaded = False
        self._lock = threading.RLock()  # runs are started from threads, too

    def register(self, plugin: ModuleType | object, name: str = "") -> None:
        """Register a plugin that is no installed distribution, for embedding and for tests.

        Args:
            plugin: A module or object with hook implementations.
            name: What it is called; its module's name unless given.

        Raises:
            PluginError: It is not what the hook specifications ask for, or is registered already.
        """
        name = name or getattr(plugin, "__name__", type(plugin).__name__)
        with self._lock:
            try:
                register(self._manager, plugin, name)
            except ANYTHING as error:
                raise PluginError(f"the plugin {name!r} cannot be registered: {told(error)}") from error
            self._used[name] = PluginInfo(name=name, file=getattr(plugin, "__file__", "") or "")
            self._infos.append(self._used[name])
            self._tables.clear()

    def load(self) -> None:
        """Load every plugin that may be loaded; one that fails is a row with its reason."""
        with self._lock:
            if self._loaded:
                return
            self._loaded = True
            self._load_own()
            self._load_installed()

    def runtimes(self) -> dict[str, Registered[RuntimeKind]]:
        """The kinds of runtime, by name."""
        return dict(self._table(RUNTIMES).found)

    def databases(self) -> dict[str, Registered[DatabaseScheme]]:
        """The database schemes."""
        return dict(self._table(DATABASES).found)

    def storages(self) -> dict[str, Registered[StorageScheme]]:
        """The storage schemes."""
        return dict(self._table(STORAGES).found)

    def secret_stores(self) -> dict[str, Registered[SecretStore]]:
        """The stores of secrets."""
        return dict(self._table(SECRET_STORES).found)

    def secret_store(self, name: str) -> SecretStore:
        """A store of secrets by its name.

        Raises:
            UnknownKind: No plugin registers it.
            PluginError: Several register it.
        """
        found: Registered[SecretStore] = self._find(SECRET_STORES, name)
        return found.item

    def notifiers(self) -> dict[str, Registered[Registration]]:
        """The notifiers."""
        return dict(self._table(NOTIFIERS).found)

    def notifier(self, name: str, address: str) -> Notifier:
        """A notifier with an address.

        Raises:
            UnknownKind: No plugin registers it.
            UsageError: The address is none.
            PluginError: Several register it, or it cannot be made.
        """
        found: Registered[Registration] = self._find(NOTIFIERS, name)
        notifier: Notifier = self._make(found.item.target, found.plugin, NOTIFIERS, address)
        return notifier

    def builders(self) -> dict[str, Registered[BuilderRegistration]]:
        """The builders of images."""
        return dict(self._table(BUILDERS).found)

    def builder(self, name: str, registry: str) -> Builder:
        """A builder of images for a registry.

        Raises:
            UnknownKind: No plugin registers it.
            PluginError: Several register it, or it cannot be made.
        """
        found: Registered[BuilderRegistration] = self._find(BUILDERS, name)
        builder: Builder = self._make(found.item.target, found.plugin, BUILDERS, registry)
        return builder

    def commands(self) -> dict[str, Registered[Command]]:
        """The commands that plugins register, by name."""
        return dict(self._table(COMMANDS).found)

    def command(self, name: str) -> Any:
        """The `click.Command` that a plugin registers under a name; None where none does.

        Raises:
            PluginError: Several register it, or it cannot be imported.
        """
        table = self._table(COMMANDS)
        if name in table.contested:
            self._refuse(COMMANDS, name)
        found: Registered[Command] | None = table.found.get(name)
        if found is None:
            return None
        from framework.plugins.targets import load_target

        return load_target(found.item.target, found.plugin)

    def runtime(self, kind: str, context: RuntimeContext) -> Runtime:
        """A runtime of a kind.

        Raises:
            UnknownKind: No plugin registers it.
            PluginError: Several register it, or it cannot be made.
        """
        found: Registered[RuntimeKind] = self._find(RUNTIMES, kind)
        runtime: Runtime = self._make(found.item.runtime, found.plugin, RUNTIMES, context)
        return runtime

    def options_class(self, kind: str) -> type | None:
        """The attrs class of a kind's options, `NoOptions` for a kind without; None for one that is not installed.

        Raises:
            PluginError: Several plugins register the kind, or the class cannot be imported.
        """
        table = self._table(RUNTIMES)
        if kind in table.contested:
            self._refuse(RUNTIMES, kind)
        found: Registered[RuntimeKind] | None = table.found.get(kind)
        if found is None:
            return None
        if not found.item.options:
            return NoOptions
        from framework.plugins.targets import load_target

        cls: type = load_target(found.item.options, found.plugin)
        return cls

    def database(self, url: str) -> Database:
        """Open a database by its URL.

        Raises:
            UnknownKind: No plugin registers its scheme.
            DatabaseError: It cannot be opened.
            PluginError: Several register the scheme, or the class behind it cannot be made.
        """
        found: Registered[DatabaseScheme] = self._find(DATABASES, _scheme(url, "database"))
        database: Database = self._make(found.item.target, found.plugin, DATABASES, url)
        return database

    def storage(self, url: str) -> Storage:
        """Open a storage by its URL.

        Raises:
            UnknownKind: No plugin registers its scheme.
            PluginError: Several register the scheme, or the class behind it cannot be made.
        """
        found: Registered[StorageScheme] = self._find(STORAGES, _scheme(url, "storage"))
        storage: Storage = self._make(found.item.target, found.plugin, STORAGES, url)
        return storage

    def runside(self, url: str) -> str:
        """The import name of the plugin whose run side serves a storage; empty for a storage without one.

        It is what `framework.engine.archive` takes; the run side is the subpackage ``runside`` of it.

        Raises:
            UnknownKind: No plugin registers the scheme of the URL.
            PluginError: Several register it.
        """
        found: Registered[StorageScheme] = self._find(STORAGES, _scheme(url, "storage"))
        return found.item.runside.removesuffix(".runside")

    def report(self) -> list[PluginInfo]:
        """Every plugin, loaded or not, by name, with what it registers or why it does not."""
        registered: dict[str, list[str]] = {}
        for topic in TOPICS:
            for name, found in self._table(topic).found.items():
                registered.setdefault(found.plugin, []).append(f"{topic.short} {name}")
        for name, info in self._used.items():
            info.registers = registered.get(name, [])
        return sorted(self._infos, key=lambda info: (info.name, info.distribution))

    def _load_own(self) -> None:
        from framework.plugins import builtin

        register(self._manager, builtin, CORE)
        self._used[CORE] = PluginInfo(name=CORE, file=builtin.__file__)

    def _load_installed(self) -> None:
        from framework.plugins.discovery import installed

        found = installed()
        taken: dict[str, str] = {}
        # A distribution named after its entry point is its owner, whatever else calls itself so.
        for candidate in sorted(found.candidates, key=lambda it: it.distribution != f"framework-{it.name}"):
            info = PluginInfo(
                name=candidate.name,
                distribution=candidate.distribution,
                version=candidate.version,
                module=candidate.module,
            )
            if self._allowed is not None and candidate.name not in self._allowed:
                info.state, info.reason = "blocked", f"not in the list that is allowed ({VARIABLE}, --no-plugins)"
            elif candidate.name in taken:
                info.fail(f"its entry point is called {candidate.name!r}, as that of {taken[candidate.name]}")
            else:
                taken[candidate.name] = candidate.distribution
                info = load_candidate(self._manager, candidate, found.core)
                if info.state == "loaded":
                    self._used[info.name] = info
            self._infos.append(info)
        for name in sorted((self._allowed or set()) - {info.name for info in self._infos}):
            self._infos.append(
                PluginInfo(name=name, state="failed", reason=f"{VARIABLE} names it; it is not installed")
            )

    def _table(self, topic: Topic) -> Table[Any]:
        with self._lock:
            self.load()
            if topic.hook not in self._tables:
                self._tables[topic.hook] = self._asked(topic)
            return self._tables[topic.hook]

    def _asked(self, topic: Topic) -> Table[Any]:
        """Ask each plugin by itself, in order of name, so that one that fails costs the others nothing."""
        table: Table[Any] = Table()
        implementations = getattr(self._manager.hook, topic.hook).get_hookimpls()
        for implementation in sorted(implementations, key=lambda it: it.plugin_name):
            name = implementation.plugin_name
            try:
                items = ask(topic, implementation.function)
            except ANYTHING as error:
                self._used[name].fail(f"{topic.hook}: {told(error)}")
                continue
            for key, item in items:
                table.add(key, Registered(item=item, plugin=name))
        for key, plugins in table.contested.items():
            for name in plugins:
                self._used[name].fail(
                    f"{topic.noun} {key!r} is registered by {' and '.join(plugins)}: it is used from neither"
                )
        return table

    def _find(self, topic: Topic, name: str) -> Registered[Any]:
        table = self._table(topic)
        if name in table.found:
            return table.found[name]
        if name in table.contested:
            self._refuse(topic, name)
        installed = ", ".join(sorted(table.found)) or "none"
        message = f"Unknown {topic.noun} {name!r} (installed: {installed})"
        plugin = _DISTRIBUTION_OF.get(f"{topic.prefix}-{name}", f"{topic.prefix}-{name}")
        for info in self._infos:
            if info.name == plugin and info.state != "loaded":
                raise UnknownKind(f"{message}; the plugin {plugin} is {info.state}: {info.reason}", advice=_mend(info))
        raise UnknownKind(message, advice=_hint(name, table.found, plugin))

    def _refuse(self, topic: Topic, name: str) -> NoReturn:
        plugins = self._table(topic).contested[name]
        raise PluginError(
            f"{topic.noun} {name!r} is registered by several plugins: {', '.join(plugins)}",
            advice=f"Uninstall all but one, or name the plugins to be used in {VARIABLE}.",
        )

    def _make(self, target: str, plugin: str, topic: Topic, argument: Any) -> Any:
        from framework.plugins.targets import make

        return make(target, plugin, topic.interface, argument)


def _scheme(url: str, what: str) -> str:
    scheme, colon, _ = url.partition(":")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise UsageError(f"{url!r} is no URL of a {what}", advice="Write it with its scheme: scheme://…")
    return scheme.lower()


def _mend(info: PluginInfo) -> str:
    if info.state == "blocked":
        return f"Leave out --no-plugins, or add {info.name} to {VARIABLE}."
    if info.state == "incompatible":
        return f"Try: pip install --upgrade {info.distribution}"
    return "See: framework plugins"


def _hint(name: str, found: Mapping[str, object], plugin: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, found, 1, cutoff=0.75)
    if near:
        return f"Did you mean {near[0]!r}?"
    # Only what is a name of a distribution (PEP 508) is put into a command that people paste into a shell.
    if re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", plugin):
        return f"Try: pip install framework-{plugin}"
    return "See: framework plugins"
