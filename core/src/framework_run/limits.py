"""Limits of resources: a run is held to them by a control group of its own, or by its backend's; else it is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from framework_run import peaks

if TYPE_CHECKING:
    from framework_run.cgroups import Group

_CONTROLLED: Final = ("memory", "cpu")


def group(submission: Mapping[str, Any]) -> Group | None:
    """A control group with a run's limits, where the runner is to keep them and can; None else.

    Args:
        submission: The submission; ``resources.enforce`` says that no backend keeps them.
    """
    resources = submission.get("resources") or {}
    limits = _controlled(resources)
    if not limits or not resources.get("enforce"):
        return None
    from framework_run import cgroups, quantities

    run = submission["run"]
    name = f"{run['uid']}.{run.get('attempt', 1)}.{run.get('rank', 0)}"
    return cgroups.create(name, {controller: quantities.parse(limit) for controller, limit in limits.items()})


def settle(submission: Mapping[str, Any], made: Group | None) -> str:
    """Put this process, and what it will start, under its limits.

    Without a control group memory is limited by RLIMIT_DATA: what each process alone may have of private memory that
    it can write (getrlimit(2); since Linux 4.7 that includes anonymous mappings). RLIMIT_AS counts address space,
    which libraries reserve by the gigabyte and never use.

    Args:
        submission: The submission.
        made: What `group` gave.

    Returns:
        A sentence that says what is not kept; empty where all is.
    """
    resources = submission.get("resources") or {}
    limits = _controlled(resources)
    if not limits or not resources.get("enforce"):
        return ""
    joined = _join(made)
    open_ = {name: limit for name, limit in limits.items() if name not in joined}
    said = ""
    if "memory" in open_ and _limit_data(open_["memory"]):
        said = f"The limit memory={open_.pop('memory')} holds for each process alone: no control group can be made.\n"
    return said + _unkept(open_)


def unenforced(submission: Mapping[str, Any]) -> str:
    """A sentence that names the limits that the backend ought to keep and does not; empty where there are none.

    Args:
        submission: The submission.
    """
    resources = submission.get("resources") or {}
    if resources.get("enforce"):
        return ""  # the handler's process says what cannot be
    limits = _controlled(resources)
    return _unkept({name: limit for name, limit in limits.items() if not peaks.limited(name)})


def _controlled(resources: Mapping[str, Any]) -> dict[str, Any]:
    limits = resources.get("limits") or {}
    return {name: limits[name] for name in _CONTROLLED if limits.get(name) is not None}


def _join(made: Group | None) -> set[str]:
    if made is None:
        return set()
    try:
        made.join()
    except OSError:
        return set()
    return set(made.folders)


def _limit_data(quantity: object) -> bool:
    from framework_run import quantities

    try:
        import resource

        wanted = int(quantities.parse(quantity))
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    except (ImportError, OSError, ValueError):
        return False
    return True


def _unkept(limits: Mapping[str, object]) -> str:
    if not limits:
        return ""
    named = ", ".join(f"{name}={limit}" for name, limit in limits.items())
    return f"Nothing enforces the limit {named} here: this process has no control group that does.\n"
