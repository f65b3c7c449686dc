"""Targets: ``module:Class``, as registrations and submissions name what is to be imported."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_MOUNTED: Final = "framework_run.plugins."


def resolve(target: str) -> Any:
    """What a target names.

    The run side of a plugin is mounted in the archive as ``framework_run.plugins.<import name>``. Where the plugin is
    installed and there is no archive (an inline run), it is the same code at ``<import name>.runside``.

    Args:
        target: ``module:attribute``.

    Raises:
        ImportError: There is no such module.
        AttributeError: There is no such attribute in it.
    """
    module, _, name = target.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(_MOUNTED) or not module.startswith(error.name or "-"):
            raise
        plugin, _, rest = module[len(_MOUNTED) :].partition(".")
        found = import_module(f"{plugin}.runside.{rest}" if rest else f"{plugin}.runside")
    return getattr(found, name)
