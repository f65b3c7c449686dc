"""Limits of resources: what holds a run to them is its control group, which the backend makes; here it is only said."""

from __future__ import annotations

from collections.abc import Mapping

from framework_run import peaks

_CONTROLLED = ("memory", "cpu")


def unenforced(limits: Mapping[str, object]) -> str:
    """A sentence that names the limits that nothing here enforces; empty where there are none.

    RLIMIT_AS is no substitute: it counts address space, which libraries reserve by the gigabyte and never use.

    Args:
        limits: The submission's ``resources.limits``.
    """
    idle = [name for name in _CONTROLLED if limits.get(name) is not None and not peaks.limited(name)]
    if not idle:
        return ""
    named = ", ".join(f"{name}={limits[name]}" for name in idle)
    return f"Nothing enforces the limit {named} here: this process has no control group that does.\n"
