"""The session: what a process works with, each part opened when it is first used."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.home import home
from framework.settings import Settings, load

if TYPE_CHECKING:
    from framework.databases import Database
    from framework.plugins.manager import Plugins
    from framework.runtimes import Runtime
    from framework.storages import Storage


class Session:
    """Home, settings, plugins, database and storage.

    Args:
        settings: What is set; read from the environment and the configuration file unless told.
        plugins: The plugins; those that are installed unless told.
    """

    def __init__(self, settings: Settings | None = None, plugins: Plugins | None = None) -> None:
        self.home: Path = home()
        self.settings = settings or load()
        self._plugins = plugins
        self._runtimes: dict[str, Runtime] = {}

    @cached_property
    def plugins(self) -> Plugins:
        """The plugins of this installation."""
        from framework.plugins.manager import Plugins

        return self._plugins or Plugins()

    @cached_property
    def database(self) -> Database:
        """The database, open."""
        return self.plugins.database(self.settings.db)

    @cached_property
    def storage(self) -> Storage:
        """The storage where artifacts go."""
        return self.plugins.storage(self.settings.storage)

    def storage_of(self, uri: str) -> Storage:
        """The storage that holds what a URI names."""
        if uri.partition("://")[0] == self.settings.storage.partition("://")[0]:
            return self.storage
        return self.plugins.storage(uri)

    def storage_at(self, path: str) -> Storage:
        """The storage at an artifact path: a URL, or a folder; the session's own where it is empty."""
        if not path:
            return self.storage
        return self.plugins.storage(path if "://" in path else f"file://{Path(path).expanduser().absolute()}")

    def runtime(self, kind: str) -> Runtime:
        """The runtime of a kind."""
        if kind not in self._runtimes:
            from framework.runtimes import RuntimeContext
            from framework.settings import runtime_table

            context = RuntimeContext(home=str(self.home), settings=runtime_table(kind, self.home))
            self._runtimes[kind] = self.plugins.runtime(kind, context)
        return self._runtimes[kind]

    def close(self) -> None:
        """Close what is open: the database, and what runtimes have open to watch runs. The runs go on."""
        for runtime in self._runtimes.values():
            runtime.close()
        if "database" in vars(self):
            self.database.close()


_VARIABLES = ("FRAMEWORK_HOME", "FRAMEWORK_DB", "FRAMEWORK_STORAGE", "FRAMEWORK_PROJECT", "FRAMEWORK_PLUGINS")
_sessions: dict[tuple[Any, ...], Session] = {}


def _close_replaced() -> None:
    """Close what the sessions of another environment have open; a parent's connections are left to the parent."""
    for key, session in _sessions.items():
        if key[0] == os.getpid():
            session.close()
    _sessions.clear()


def current() -> Session:
    """The session of this process, for its present environment."""
    key = (os.getpid(), *map(os.environ.get, _VARIABLES))
    session = _sessions.get(key)
    if session is None:
        _close_replaced()  # the environment has changed, or this is a forked child
        session = _sessions[key] = Session()
    return session
