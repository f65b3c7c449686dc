"""Flags of a handler's own parameters, made from its signature as the code says it; nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from framework.models.function import EntryPoint, Parameter

GIVEN: Final = "framework.given"
"""Where a context keeps what was given by flags: parameter name to text."""

_METAVARS: Final = {"int": "INTEGER", "float": "FLOAT", "bool": "BOOLEAN", "str": "TEXT", "Path": "PATH"}
_OPTIONAL: Final = re.compile(r"^(?:typing\.)?Optional\[(.*)\]$|^(.*?)\s*\|\s*None$|^None\s*\|\s*(.*)$")
_LITERAL: Final = re.compile(r"^(?:typing\.)?Literal\[(.*)\]$")


class ParameterFlag(click.Option):
    """A flag of one parameter.

    Args:
        parameter: The parameter as read from the code.
    """

    def __init__(self, parameter: Parameter) -> None:
        dashed, plain = _spellings(parameter.name)
        kind = _inner(parameter.annotation)
        self.parameter = parameter
        self.is_switch = kind == "bool"
        spellings = [dashed, *([plain] if plain != dashed else [])]
        if self.is_switch:
            spellings = [f"{spelling}/--no-{spelling[2:]}" for spelling in spellings]
        super().__init__(
            [f"parameter_{parameter.name}", *spellings],
            type=None if self.is_switch else click.STRING,
            default=None,
            expose_value=False,
            callback=_give,
            metavar=None if self.is_switch else _metavar(kind),
        )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:  # noqa: ARG002  says the default as the code has it
        """The flag, and its line of help."""
        dashed, _ = _spellings(self.parameter.name)
        left = f"{dashed} / --no-{dashed[2:]}" if self.is_switch else f"{dashed} {self.metavar}"
        words = [" ".join(self.parameter.doc.split()), _default(self.parameter)]
        return left, "  ".join(word for word in words if word)


def flags(entry: EntryPoint, taken: Collection[str]) -> tuple[list[ParameterFlag], list[Parameter]]:
    """The flags of an entry point.

    Args:
        entry: The function.
        taken: The options that the command has itself.

    Returns:
        The flags, and the parameters that cannot have one because the command has an option of that name.
    """
    made, clashing = [], []
    used = set(taken)
    for parameter in own_parameters(entry):
        spellings = {*_spellings(parameter.name), f"--no-{parameter.name.replace('_', '-')}"}
        if spellings & used:
            clashing.append(parameter)
        else:
            made.append(ParameterFlag(parameter))
            used |= spellings
    return made, clashing


def own_parameters(entry: EntryPoint) -> Iterable[Parameter]:
    """The parameters that a person gives: not the context, which the runner passes, nor ``*args`` and ``**kwargs``."""
    from framework_run.signatures import is_context

    for parameter in entry.parameters:
        is_own = parameter.kind in {"positional", "keyword"} and not is_context(parameter.name, parameter.annotation)
        if is_own:
            yield parameter


def _give(ctx: click.Context, option: click.Parameter, content: Any) -> None:
    if content is not None and isinstance(option, ParameterFlag):
        text = str(content).lower() if option.is_switch else str(content)
        ctx.meta.setdefault(GIVEN, {})[option.parameter.name] = text


def _spellings(name: str) -> tuple[str, str]:
    return f"--{name.replace('_', '-')}", f"--{name}"


def _inner(annotation: str) -> str:
    """The annotation without quotes and without ``Optional``."""
    text = annotation.strip().strip("\"'")
    match = _OPTIONAL.match(text)
    return next(group for group in match.groups() if group is not None).strip() if match else text


def _metavar(annotation: str) -> str:
    literal = _LITERAL.match(annotation)
    if literal:
        return "[" + "|".join(word.strip().strip("\"'") for word in literal.group(1).split(",")) + "]"
    return _METAVARS.get(annotation.rpartition(".")[2], annotation if 0 < len(annotation) <= 30 else "VALUE")  # noqa: PLR2004


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "[required]"
    return f"[default: {parameter.default}]" if parameter.default else ""
