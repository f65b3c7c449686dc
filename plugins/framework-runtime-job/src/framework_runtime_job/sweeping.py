"""Looking for what runs have left wherever they have been, and removing it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from framework.errors import BackendError
from framework.runtimes import Handle, Leftover, StateOf
from framework_runtime_job.api import Api, Unreachable
from framework_runtime_job.leftovers import discard_archive, leftovers

if TYPE_CHECKING:
    from framework_runtime_job.runtime import JobRuntime

_logger = logging.getLogger(__name__)
_BETWEEN = "|"  # the parts of a leftover's place: context, server, path

Spot = tuple[str, str, str]
"""A context, the server that it has to lead to, and a namespace; what is empty is as the settings say."""


def sweep(runtime: JobRuntime, handles: Iterable[Handle], state_of: StateOf) -> list[Leftover]:
    """What is left in the namespace of the settings, and in those where runs have been.

    Args:
        runtime: The kind.
        handles: Of the runs that have been.
        state_of: Tells the state of a run.

    Raises:
        BackendError: Nothing could be looked at.
    """
    found: dict[tuple[str, str], list[Leftover]] = {}
    problems: dict[Spot, BackendError] = {}
    silent = set[tuple[str, str]]()  # clusters that do not answer are not asked once more for the next namespace
    for spot in _spots(handles):
        if spot[:2] in silent:
            continue
        try:
            api = _api(runtime, spot)
            at = (api.server, spot[2] or runtime.settings.namespace or api.namespace)
            if at not in found:
                found[at] = [_placed(each, spot) for each in leftovers(api, at[1], state_of)]
        except BackendError as error:
            problems[spot] = error
            silent |= {spot[:2]} if isinstance(error, Unreachable) else set()
    if problems and not found:
        raise next(iter(problems.values()))
    for spot, problem in problems.items():
        _logger.warning("%s could not be looked at: %s", _where(spot), problem.message)
    return [leftover for each in found.values() for leftover in each]


def discard(runtime: JobRuntime, leftover: Leftover) -> None:
    """Remove one, and what the cluster knows to belong to it; not an archive that has been used since it was found.

    Raises:
        BackendError: It could not be removed.
    """
    context, server, path = leftover.place.split(_BETWEEN, 2)
    api = _api(runtime, (context, server, ""))
    if "/configmaps/" in path:
        discard_archive(api, path)
    else:
        api.delete(path, propagationPolicy="Background")


def _spots(handles: Iterable[Handle]) -> list[Spot]:
    """Each place once: first that of the settings, then where runs have been."""
    been = [(handle.get("context", ""), handle["server"], handle["namespace"]) for handle in handles]
    return list(dict.fromkeys([("", "", ""), *been]))


def _api(runtime: JobRuntime, spot: Spot) -> Api:
    context, server, _ = spot
    return runtime.api_of({"context": context, "server": server}) if server else runtime.api(context)


def _placed(leftover: Leftover, spot: Spot) -> Leftover:
    return attrs.evolve(leftover, place=_BETWEEN.join([*spot[:2], leftover.place]))


def _where(spot: Spot) -> str:
    context, server, namespace = spot
    if not server:
        return "the cluster of the settings"
    return f"the namespace {namespace} at {server}" + (f" (context {context})" if context else "")
