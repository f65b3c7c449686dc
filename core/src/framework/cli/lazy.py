"""A click group that knows its commands by table and imports one when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from framework.cli.index import Entry


class LazyGroup(click.Group):
    """A group over a table.

    Args:
        table: The commands by name.
        groups: The tables of the groups in it.
        default: The command that the group alone stands for; empty: its help.
    """

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, Entry],
        groups: Mapping[str, Mapping[str, Entry]] | None = None,
        default: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self.groups = groups or {}
        self.default = default

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the table is the same in every context
        """The names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module and take the command from it; None for an unknown name."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        if not entry.target:
            return LazyGroup(
                cmd_name,
                table=self.groups[cmd_name],
                default=entry.default,
                help=entry.help,
                context_settings=self.context_settings,
            )
        module, _, name = entry.target.partition(":")
        command: click.Command = getattr(import_module(f"framework.cli.{module}"), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's own; a group alone is its default, or its help on standard error: too little was said."""
        if not args and self.default:
            args = [self.default]
        if not args:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's own, with the nearest names beside an unknown one."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            near = get_close_matches(args[0].lower(), self.table, n=3, cutoff=0.5)
            meant = f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands by section, from the table alone."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.table.items():
            sections.setdefault(entry.section, []).append((name, entry.help))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


class RootGroup(LazyGroup):
    """The group of all commands: those of the table, and behind them those that plugins register.

    Help and completion read the table alone; plugins are looked at when a command is used that is not in it.
    """

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As of `LazyGroup`, then from a plugin."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name.startswith("-"):
            return found
        from framework.plugins.manager import Plugins

        command: click.Command | None = Plugins().command(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As of `LazyGroup`, but for a plugin's command."""
        if args and args[0] not in self.table and (command := self.get_command(ctx, args[0])) is not None:
            return args[0], command, args[1:]
        return super().resolve_command(ctx, args)
