"""Functions from a file, a folder, a function object, a command. Each is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.sources.callables import from_callable
    from framework.sources.commands import from_command
    from framework.sources.entrypoints import entry_points
    from framework.sources.loaded import Loaded
    from framework.sources.paths import from_path
    from framework.sources.scripts import script_metadata

__all__ = ["Loaded", "entry_points", "from_callable", "from_command", "from_path", "script_metadata"]

_MODULES = {
    "Loaded": "loaded",
    "entry_points": "entrypoints",
    "from_callable": "callables",
    "from_command": "commands",
    "from_path": "paths",
    "script_metadata": "scripts",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
