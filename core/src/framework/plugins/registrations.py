"""What a registration hook returns: a name, and where the class behind it is, so that listing it imports nothing heavy.

A ``target`` is ``"module:Class"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, frozen

if TYPE_CHECKING:  # a plugin's entry point imports this module, and must not bring the models with it
    from framework.runtimes import Capability


@frozen(kw_only=True)
class RuntimeKind:
    """A kind of runtime.

    Args:
        name: The kind, as in ``--kind NAME``.
        summary: One line for ``framework plugins``.
        runtime: Target of a `framework.runtimes.Runtime`.
        options: Target of the attrs class of the kind's own options; empty for a kind without, of which any is refused.
        capabilities: What it can do; the conformance kit skips the rest by name.
    """

    name: str
    summary: str
    runtime: str
    options: str = ""
    capabilities: frozenset[Capability] = frozenset()


@define
class NoOptions:
    """The options of a kind that has none of its own: whatever is said for it is refused."""


@frozen(kw_only=True)
class DatabaseScheme:
    """A URL scheme of databases, and the target of its `framework.databases.Database`."""

    scheme: str
    target: str


@frozen(kw_only=True)
class StorageScheme:
    """A URL scheme of storages, the target of its `framework.storages.Storage`, and its run side.

    ``runside`` is the dotted name of the plugin's subpackage that travels with runs (empty: none).
    """

    scheme: str
    target: str
    runside: str = ""


@frozen(kw_only=True)
class Notifier:
    """A way to tell somebody that a run has ended, and the target of its `framework.notifiers.Notifier`.

    ``name`` is what stands before the colon in ``NAME:ADDRESS``.
    """

    name: str
    target: str


@frozen(kw_only=True)
class SecretStore:
    """A place where secrets are kept, as in the reference ``NAME:KEY``.

    Args:
        name: What stands before the colon.
        target: Target of a `framework_run.secrets.Store`: it is made and asked where the run is.
        runside: The dotted name of the plugin's subpackage that holds the target and travels with runs.
    """

    name: str
    target: str
    runside: str = ""

    @property
    def mounted(self) -> str:
        """The target as a runner finds it."""
        package = self.runside.removesuffix(".runside")
        if not package or not self.target.startswith(f"{self.runside}."):
            return self.target
        return f"framework_run.plugins.{package}.{self.target.removeprefix(f'{self.runside}.')}"


@frozen(kw_only=True)
class Builder:
    """A tool that builds images, and the target of its `framework.builders.Builder`, which is made with a registry."""

    name: str
    target: str


@frozen(kw_only=True)
class Command:
    """A command of the command line: ``framework NAME``.

    Args:
        name: What is typed.
        help: One line about it.
        target: Target of a `click.Command`; imported when the command is used.
    """

    name: str
    help: str
    target: str
