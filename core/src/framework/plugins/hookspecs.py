"""The hook specifications: every door that a plugin can use.

A plugin is a distribution with an entry point in the group ``framework`` whose value is a light module with functions
decorated by `hookimpl`. Registration hooks return what a user picks by name. Each has a heading in
docs/reference/hooks.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from framework.plugins.registrations import (
        Builder,
        Command,
        DatabaseScheme,
        Notifier,
        RuntimeKind,
        SecretStore,
        StorageScheme,
    )

PROJECT = "framework"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def framework_runtimes() -> Iterable[RuntimeKind]:  # type: ignore[empty-body]
    """Register kinds of runtime.

    Called once, when a kind is first looked up or listed. Must import nothing heavy.

    Returns:
        The kinds, each with the targets of its classes.

    Example:
        >>> @hookimpl
        ... def framework_runtimes():
        ...     return [RuntimeKind(name="ssh", summary="Runs by SSH", runtime="framework_runtime_ssh.runtime:Ssh")]
    """


@hookspec
def framework_databases() -> Iterable[DatabaseScheme]:  # type: ignore[empty-body]
    """Register URL schemes of databases.

    Called once, when a database is first opened. Must import nothing heavy.

    Returns:
        The schemes, each with the target of its `framework.databases.Database`.

    Example:
        >>> @hookimpl
        ... def framework_databases():
        ...     return [DatabaseScheme(scheme="sqlite", target="framework_db_sql.database:SqlDatabase")]
    """


@hookspec
def framework_storages() -> Iterable[StorageScheme]:  # type: ignore[empty-body]
    """Register URL schemes of storages.

    Called once, when a storage is first opened. Must import nothing heavy.

    Returns:
        The schemes, each with the target of its `framework.storages.Storage`.

    Example:
        >>> @hookimpl
        ... def framework_storages():
        ...     return [StorageScheme(scheme="file", target="framework_storage_file.storage:FileStorage")]
    """


@hookspec
def framework_secret_stores() -> Iterable[SecretStore]:  # type: ignore[empty-body]
    """Register stores of secrets.

    Called once, when a run that has secrets is first planned. Must import nothing heavy.

    Returns:
        The stores, each with the target of its `framework_run.secrets.Store`.

    Example:
        >>> @hookimpl
        ... def framework_secret_stores():
        ...     target = "framework_secrets_vault.runside.store:Vault"
        ...     return [SecretStore(name="vault", target=target, runside="framework_secrets_vault.runside")]
    """


@hookspec
def framework_notifiers() -> Iterable[Notifier]:  # type: ignore[empty-body]
    """Register notifiers.

    Called once, when a run that somebody is told of is first planned. Must import nothing heavy.

    Returns:
        The notifiers, each with the target of its `framework.notifiers.Notifier`.

    Example:
        >>> @hookimpl
        ... def framework_notifiers():
        ...     return [Notifier(name="matrix", target="framework_notifier_matrix.room:Room")]
    """


@hookspec
def framework_builders() -> Iterable[Builder]:  # type: ignore[empty-body]
    """Register builders of images.

    Called once, when an image is first built. Must import nothing heavy.

    Returns:
        The builders, each with the target of its `framework.builders.Builder`.

    Example:
        >>> @hookimpl
        ... def framework_builders():
        ...     return [Builder(name="kaniko", target="framework_builder_kaniko.builder:Kaniko")]
    """


@hookspec
def framework_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Register commands of the command line.

    Called once, when a command is used that the core does not have, or plugins are listed. Must import nothing heavy.

    Returns:
        The commands, each with the target of its `click.Command`. One that has a name of the core's is never reached.

    Example:
        >>> @hookimpl
        ... def framework_commands():
        ...     return [Command(name="ssh", help="Look at hosts.", target="framework_runtime_ssh.commands:ssh")]
    """
