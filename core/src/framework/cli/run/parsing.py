"""The command class of ``run``: it finds the target first, and gives the handler's parameters flags of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from framework.cli.output import note
from framework.cli.run.flags import flags
from framework.errors import FrameworkError

if TYPE_CHECKING:
    from framework.models.function import EntryPoint

WORDS: Final = "framework.words"
"""Where a context keeps the words behind ``--``; None where there was no ``--``."""

_FLAGS: Final = "framework.flags"
_CLASHING: Final = "framework.clashing"
ENTRY: Final = "framework.entry"
"""Where a context keeps the handler's entry point; missing where it is not known."""


class SectionOption(click.Option):
    """An option with the heading that it is listed under.

    Args:
        section: The heading.
    """

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class RunCommand(click.Command):
    """``run TARGET [OPTIONS] [-- ARGS]``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut off what is behind ``--``, make the handler's flags, and parse."""
        own, dashes, words = _split(args)
        ctx.meta[WORDS] = words if dashes else None
        target, handler = self._first_look(ctx, own)
        entry = entry_point(target, handler) if target and not dashes else None
        if entry is not None:
            taken = {name for option in self.params for name in (*option.opts, *option.secondary_opts)}
            ctx.meta[ENTRY] = entry
            ctx.meta[_FLAGS], ctx.meta[_CLASHING] = flags(entry, {*taken, *ctx.help_option_names})
        try:
            rest = super().parse_args(ctx, own)
        except click.NoSuchOption:
            if target and entry is None:
                _load(target, handler)  # says what is wrong with the target, which is the better error
            raise
        self._say_what_clashes(ctx)
        return rest

    def _say_what_clashes(self, ctx: click.Context) -> None:
        """An option of ours that was given has the name of a parameter: say how that is reached."""
        for parameter in ctx.meta.get(_CLASHING, ()):
            for option in self.params:
                names = {*option.opts, *option.secondary_opts}
                given = option.name and ctx.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
                if given and f"--{parameter.name.replace('_', '-')}" in names:
                    note(f"--{parameter.name} is an option of run; for the parameter write -p {parameter.name}=VALUE.")

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own, and the handler's."""
        return [*super().get_params(ctx), *ctx.meta.get(_FLAGS, [])]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the same in every context
        """The target first, as it is typed."""
        return ["[TARGET]", "[OPTIONS]", "[-- ARGS]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The handler's flags first, then the command's by section."""
        entry: EntryPoint | None = ctx.meta.get(ENTRY)
        sections: dict[str, list[tuple[str, str]]] = {}
        if entry is not None:
            title = f"Parameters of {entry.name}"
            sections[title] = [flag.get_help_record(ctx) for flag in ctx.meta[_FLAGS]]
            sections[title] += [
                (f"-p {clash.name}=VALUE", f"{clash.doc}  (--{clash.name} is an option of run)".strip())
                for clash in ctx.meta[_CLASHING]
            ]
        for option in super().get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The handler's own words where there is one, else the command's."""
        entry: EntryPoint | None = ctx.meta.get(ENTRY)
        if entry is None:
            super().format_help_text(ctx, formatter)
            return
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(entry.doc.strip().partition("\n\n")[0] or f"Run {entry.name}.")

    def _first_look(self, ctx: click.Context, args: list[str]) -> tuple[str, str]:
        """The target and ``--handler``; empty where they are not there, or the words do not parse."""
        parser = self.make_parser(ctx)
        parser.ignore_unknown_options = True
        try:
            given, _, _ = parser.parse_args(list(args))
        except click.UsageError:
            return "", ""
        return tuple(text if isinstance(text := given.get(name), str) else "" for name in ("target", "handler"))  # type: ignore[return-value]


def entry_point(target: str, handler: str) -> EntryPoint | None:
    """The function that a target names, as read from its code; None where that cannot be told.

    Args:
        target: ``file.py:function``, ``file.py``, a folder, or a ``db://`` URI.
        handler: ``--handler``; empty when it was not given.
    """
    try:
        return _load(target, handler)
    except (FrameworkError, OSError):
        return None


def _load(target: str, handler: str) -> EntryPoint | None:
    """As `entry_point`, with the error of a target that is none."""
    if target.startswith("db://"):
        return _kept(target, handler)
    from framework.sources import from_path

    function = from_path(target, handler=handler or None).function
    return _named(function.status.entry_points, function.spec.code.handler)


def _kept(target: str, handler: str) -> EntryPoint | None:
    from framework.cli.session import opened
    from framework.cli.versions import find
    from framework.documents.converters import load
    from framework.models import Function

    function = load(find(opened(), target), Function)
    return _named(function.status.entry_points, handler or function.spec.code.handler)


def _named(points: list[EntryPoint], name: str) -> EntryPoint | None:
    return next((point for point in points if point.name == name), None)


def _split(args: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in args:
        return args, False, []
    index = args.index("--")
    return args[:index], True, args[index + 1 :]
