"""Targets: ``"module:Class"``, imported when the class is needed."""

from __future__ import annotations

import importlib
from typing import Any

from framework.errors import PluginError


def load_target(target: str) -> Any:
    """The object that a target names.

    Raises:
        PluginError: It cannot be imported.
    """
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a plugin may fail in any way
        raise PluginError(
            f"{target!r} cannot be used: {type(error).__name__}: {error}", advice="Reinstall its distribution."
        ) from error
