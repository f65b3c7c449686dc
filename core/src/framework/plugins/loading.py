"""Loads one plugin in isolation: whatever it does wrong becomes a reason in its row."""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import pluggy
from attrs import Factory, define

from framework.plugins.compatibility import CORE, allows

if TYPE_CHECKING:
    from framework.plugins.discovery import Candidate

PluginState = Literal["loaded", "failed", "blocked", "incompatible"]
_LONGEST = 300  # characters of an exception's text in a reason
ANYTHING = (Exception, SystemExit)  # what a plugin may raise; an interrupt is the user's


@define(kw_only=True)
class PluginInfo:
    """One row of ``framework plugins``.

    Args:
        name: The entry point's name.
        distribution: Who brings it; empty for one that the program itself registered.
        version: Of the distribution.
        state: ``loaded``; ``failed``, and ``reason`` says at what; ``blocked`` by FRAMEWORK_PLUGINS or --no-plugins;
            ``incompatible`` with this framework-core.
        reason: Why it does not work, or not wholly; one line.
        module: The entry point's value.
        file: Where that module was loaded from; empty for what is not loaded.
        registers: What it brings, such as ``runtime local``.
    """

    name: str
    distribution: str = ""
    version: str = ""
    state: PluginState = "loaded"
    reason: str = ""
    module: str = ""
    file: str = ""
    registers: list[str] = Factory(list)

    def fail(self, reason: str) -> None:
        """It does not work, or not wholly."""
        self.state = "failed"
        if reason not in self.reason:
            self.reason = f"{self.reason}; {reason}" if self.reason else reason


def load_candidate(manager: pluggy.PluginManager, candidate: Candidate, core: str) -> PluginInfo:
    """Import one plugin and register it, unless its metadata say that it does not fit.

    Args:
        manager: Where it is registered.
        candidate: What its metadata say.
        core: The version of framework-core; empty where it is not known, and then not compared.

    Returns:
        Its row, also when it cannot be loaded.
    """
    info = PluginInfo(
        name=candidate.name,
        distribution=candidate.distribution,
        version=candidate.version,
        module=candidate.module,
    )
    if candidate.problem:
        info.fail(candidate.problem)
        return info
    if core and not allows(candidate.requirement, core):
        info.state = "incompatible"
        info.reason = f"needs {CORE} {candidate.requirement}, and {core} is installed"
        return info
    try:
        module = importlib.import_module(candidate.module)
        register(manager, module, candidate.name)
    except ANYTHING as error:
        info.fail(told(error))
    else:
        info.file = getattr(module, "__file__", "") or ""
    return info


def register(manager: pluggy.PluginManager, plugin: ModuleType | object, name: str) -> None:
    """Register a plugin wholly or not at all.

    Raises:
        Exception: The plugin or one of its hook implementations is not what a hook specification asks for.
    """
    try:
        manager.register(plugin, name)
        for caller in manager.get_hookcallers(plugin) or ():
            if not caller.has_spec() and not _is_optional(caller, plugin):
                raise LookupError(f"there is no hook {caller.name!r}{_nearest(caller.name)}")
    except ANYTHING:
        if manager.get_plugin(name) is plugin:
            manager.unregister(name=name)
        raise


def told(error: BaseException) -> str:
    """An exception in one line: its class, its text, and where in the plugin it was raised."""
    text = " ".join(str(error).split())[:_LONGEST] or "no message"
    place = error.__traceback__
    where = ""
    passed = {os.path.dirname(__file__), os.path.dirname(pluggy.__file__)}  # noqa: PTH120
    while place is not None:
        file = place.tb_frame.f_code.co_filename
        if not file.startswith("<") and os.path.dirname(file) not in passed:  # noqa: PTH120
            where = f" ({file}:{place.tb_lineno})"
        place = place.tb_next
    return f"{type(error).__name__}: {text}{where}"


def _is_optional(caller: pluggy.HookCaller, plugin: object) -> bool:
    return all(found.optionalhook for found in caller.get_hookimpls() if found.plugin is plugin)


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    from framework.plugins import hookspecs

    near = get_close_matches(name, [known for known in vars(hookspecs) if known.startswith("framework_")], 1)
    return f"; did you mean {near[0]!r}?" if near else f" in this {CORE}"
