"""The topics of registration: what may be registered, under which name it is found, and who has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from attrs import Factory, define, frozen

from framework.plugins.registrations import (
    Builder,
    Command,
    DatabaseScheme,
    Notifier,
    RuntimeKind,
    SecretStore,
    StorageScheme,
)

T = TypeVar("T", RuntimeKind, DatabaseScheme, StorageScheme, SecretStore, Notifier, Builder, Command)


@frozen(kw_only=True)
class Registered(Generic[T]):
    """Something that a plugin registers, and which plugin."""

    item: T
    plugin: str


@frozen(kw_only=True)
class Topic:
    """One registration hook.

    Args:
        hook: The hook's name.
        cls: The class of what it returns.
        key: The attribute that it is found by.
        noun: What that is called in a sentence.
        short: The same, in the list of what a plugin registers.
        prefix: What the names of plugins of this topic begin with, by convention.
        interface: Target of the interface that the class behind it implements; empty where it is no class.
    """

    hook: str
    cls: type
    key: str
    noun: str
    short: str
    prefix: str
    interface: str


RUNTIMES = Topic(
    hook="framework_runtimes",
    cls=RuntimeKind,
    key="name",
    noun="kind",
    short="runtime",
    prefix="runtime",
    interface="framework.runtimes:Runtime",
)
DATABASES = Topic(
    hook="framework_databases",
    cls=DatabaseScheme,
    key="scheme",
    noun="database scheme",
    short="database",
    prefix="db",
    interface="framework.databases:Database",
)
STORAGES = Topic(
    hook="framework_storages",
    cls=StorageScheme,
    key="scheme",
    noun="storage scheme",
    short="storage",
    prefix="storage",
    interface="framework.storages:Storage",
)
SECRET_STORES = Topic(
    hook="framework_secret_stores",
    cls=SecretStore,
    key="name",
    noun="secret store",
    short="secrets",
    prefix="secrets",
    interface="framework_run.secrets:Store",
)
NOTIFIERS = Topic(
    hook="framework_notifiers",
    cls=Notifier,
    key="name",
    noun="notifier",
    short="notifier",
    prefix="notifier",
    interface="framework.notifiers:Notifier",
)
BUILDERS = Topic(
    hook="framework_builders",
    cls=Builder,
    key="name",
    noun="builder",
    short="builder",
    prefix="builder",
    interface="framework.builders:Builder",
)
COMMANDS = Topic(
    hook="framework_commands",
    cls=Command,
    key="name",
    noun="command",
    short="command",
    prefix="commands",
    interface="",
)
TOPICS = (RUNTIMES, DATABASES, STORAGES, SECRET_STORES, NOTIFIERS, BUILDERS, COMMANDS)


@define
class Table(Generic[T]):
    """What is registered in one topic.

    A name that two plugins register belongs to neither: which of them a user means cannot be told, and taking one would
    let a plugin that is merely installed step into the place of another.
    """

    found: dict[str, Registered[T]] = Factory(dict)
    contested: dict[str, list[str]] = Factory(dict)  # name → the plugins that register it

    def add(self, name: str, registered: Registered[T]) -> None:
        """Enter one registration; the same plugin may name it again."""
        if name in self.contested:
            self.contested[name].append(registered.plugin)
        elif (first := self.found.get(name)) is None or first.plugin == registered.plugin:
            self.found[name] = registered
        else:
            del self.found[name]
            self.contested[name] = [first.plugin, registered.plugin]


def ask(topic: Topic, implementation: Callable[[], Iterable[Any]]) -> list[tuple[str, Any]]:
    """Call one plugin's implementation of a hook.

    Returns:
        What it registers, by name.

    Raises:
        Exception: Whatever the plugin raises.
        TypeError: It returns something else than the hook asks for.
    """
    items = []
    for item in implementation():
        if not isinstance(item, topic.cls):
            raise TypeError(f"it returns a {type(item).__name__} where a {topic.cls.__name__} is wanted")
        name = getattr(item, topic.key)
        if not isinstance(name, str) or not name:
            raise TypeError(f"{topic.key}: {name!r} is no name")
        items.append((name, item))
    return items
