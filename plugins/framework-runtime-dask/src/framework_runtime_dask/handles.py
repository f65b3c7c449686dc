"""Handles: what a run or a map is found again by, from any machine, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from framework_runtime_dask.provider import Place
from framework_runtime_dask.scale import seconds

if TYPE_CHECKING:
    from framework.runtimes import Handle
    from framework_run.ends import Ending
    from framework_runtime_dask.options import DaskOptions

_UNSTARTED: Final = "unstarted"  # in a handle: the end of a run whose cluster does not come up


def handle_of(run: dict[str, Any], place: Place, bundle: str, count: int, options: DaskOptions) -> Handle:
    """The handle of what is given to a scheduler.

    Args:
        run: As of the submission; of a map, its own.
        place: The cluster.
        bundle: The name of the code that its workers have.
        count: How many tasks.
        options: The function's.
    """
    return {
        "kind": "dask",
        "version": 1,
        "run": run,
        "place": attrs.asdict(place),
        "topic": topic_of_run(run),
        "bundle": bundle,
        "count": count,
        "patience": seconds(options.no_workers_timeout),
        "resources": options.resources,
    }


def topic_of_run(run: Mapping[str, Any]) -> str:
    """What an attempt of a run is called at the scheduler."""
    return f"framework-{run['uid']}-{run.get('attempt', 1)}"


def place_of(handle: Handle) -> Place:
    """The cluster of a handle."""
    return Place(**handle["place"])


def unstarted(run: dict[str, Any], end: Mapping[str, Any]) -> Handle:
    """The handle of a run whose cluster does not come up: all that is known of it is its end."""
    return {"kind": "dask", "version": 1, "run": run, _UNSTARTED: dict(end)}


def end_of_unstarted(handle: Handle) -> Ending | None:
    """The end of a run whose cluster did not come up; None of any other."""
    return handle.get(_UNSTARTED)
