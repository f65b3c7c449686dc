"""Functions from a file, a folder, a callable, a command."""

from framework.sources.callables import from_callable
from framework.sources.entrypoints import entry_points
from framework.sources.loaded import Loaded
from framework.sources.paths import from_command, from_path
from framework.sources.scripts import script_metadata

__all__ = ["Loaded", "entry_points", "from_callable", "from_command", "from_path", "script_metadata"]
