"""Targets: ``"module:Class"``, imported when the class is needed."""

from __future__ import annotations

import importlib
from typing import Any

from framework.errors import FrameworkError, PluginError
from framework.plugins.loading import ANYTHING, told


def load_target(target: str, plugin: str = "", interface: str = "") -> Any:
    """The object that a target names.

    Args:
        target: ``"module:Class"``.
        plugin: The plugin that registers it, for the error.
        interface: Target of the class that it must be a subclass of; empty for any object.

    Raises:
        PluginError: It cannot be imported, or is something else.
    """
    module, _, name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except FrameworkError:  # the plugin's own words, with its own advice
        raise
    except ANYTHING as error:
        raise broken(target, plugin, told(error)) from error
    if interface:
        wanted = load_target(interface)
        if not (isinstance(found, type) and issubclass(found, wanted)):
            raise broken(target, plugin, f"it is no {interface.replace(':', '.')}")
    return found


def make(target: str, plugin: str, interface: str, argument: Any) -> Any:
    """An instance of a target's class.

    Raises:
        PluginError: It cannot be imported or made.
        FrameworkError: What the class itself raises on purpose.
    """
    cls = load_target(target, plugin, interface)
    try:
        return cls(argument)
    except FrameworkError:
        raise
    except ANYTHING as error:
        raise broken(target, plugin, told(error)) from error


def broken(target: str, plugin: str, reason: str) -> PluginError:
    """The error for a target that does not work."""
    whose = f" of the plugin {plugin}" if plugin else ""
    return PluginError(f"{target!r}{whose} cannot be used: {reason}", advice="See: framework plugins")
