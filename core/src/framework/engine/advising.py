"""What a function needs, from what its runs have used: requests and limits of memory and CPU.

A request is what 90 of 100 runs stayed within. A limit of memory is above what any run used, by a headroom, and above
every limit at which a run was out of memory. CPU is the average of a run; its limit is in whole cores, because an
average hides bursts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import Factory, define

from framework.databases import Document, RunQuery
from framework.errors import NotFound, UsageError
from framework_run import quantities

if TYPE_CHECKING:
    from framework.engine.session import Session

HEADROOM: Final = 0.2
"""The share that a limit is above the most that was used."""

_AFTER_KILL: Final = 1.5  # how far above a limit that did not do the next one is
_TYPICAL: Final = 0.9  # the share of runs that stay within a request
_STEP: Final = 0.1  # cores, to which a request is rounded up


@define(kw_only=True)
class Used:
    """What runs have used of one resource: bytes, or cores.

    Args:
        runs: How many runs have said it.
        median: Half of them stayed within that.
        typical: Nine in ten did.
        most: All did.
        killed_at: The limits at which runs were out of it.
        request: What is proposed, as a quantity; empty where nothing is.
        limit: Likewise.
    """

    runs: int
    median: float
    typical: float
    most: float
    killed_at: list[float] = Factory(list)
    request: str = ""
    limit: str = ""


@define(kw_only=True)
class Advice:
    """What is proposed for a function.

    Args:
        function: Its URI.
        runs: How many runs were looked at.
        memory: Bytes.
        cpu: Cores.
    """

    function: str
    runs: int
    memory: Used
    cpu: Used

    @property
    def flags(self) -> list[str]:
        """The proposal as flags of ``framework run``."""
        pairs = (("memory", self.memory), ("cpu", self.cpu))
        requests = [f"--request {name}={used.request}" for name, used in pairs if used.request]
        return requests + [f"--limit {name}={used.limit}" for name, used in pairs if used.limit]


def advise(session: Session, function: str, *, last: int) -> Advice:
    """Propose requests and limits for a function.

    Args:
        session: Where its runs are.
        function: ``db://project/name``, with ``@sha256:…`` for one version alone.
        last: How many of its newest runs are looked at.

    Raises:
        UsageError: No run of it has said what it used.
    """
    runs = session.database.runs(RunQuery(function=function, parent=None, limit=last, states=("completed", "failed")))
    memory = [float(run["status"]["peak"]["memory"]) for run in runs if _whole(run) and run["status"]["peak"]["memory"]]
    cores = [used for run in runs if _whole(run) and (used := _cores(run)) is not None]
    killed = sorted({limit for run in runs for limit in _killed_at(session, run)})
    if not memory and not killed:
        raise UsageError(
            f"no run of {function} that has ended says what it used", advice="Run it apart: inline runs do not say it."
        )
    return Advice(function=function, runs=len(runs), memory=_memory(memory, killed), cpu=_cpu(cores))


def _whole(run: Document) -> bool:
    """Whether a run has come as far as it was to: what a failed one used says little."""
    return run["status"].get("state") == "completed" and "memory" in (run["status"].get("peak") or {})


def _cores(run: Document) -> float | None:
    status = run["status"]
    row = (status.get("attempts") or [status])[-1]
    began, ended = float(row.get("started") or 0.0), float(row.get("ended") or 0.0)
    if not began or ended <= began or "cpu" not in status["peak"]:
        return None
    return float(status["peak"]["cpu"]) / (ended - began)


def _killed_at(session: Session, run: Document) -> Iterable[float]:
    """The limits of memory, in bytes, that attempts of a run went beyond."""
    for row in run["status"].get("attempts") or []:
        if row.get("cause") == "OutOfMemory":
            own: Mapping[str, Any] = row.get("resources") or run["spec"].get("resources") or {}
            limit = own.get("limits", {}).get("memory", _usual_limit(session, run))
            if limit is not None:
                yield float(quantities.parse(limit))


def _usual_limit(session: Session, run: Document) -> Any:
    from framework.uris import FunctionUri

    uri = FunctionUri.parse(run["spec"]["function"])
    try:
        kept = session.database.function(uri.project, uri.name, version=uri.digest or None)
    except NotFound:
        return None
    return kept.get("spec", {}).get("resources", {}).get("limits", {}).get("memory")


def _memory(amounts: Sequence[float], killed: list[float]) -> Used:
    used = _used(amounts)
    used.killed_at = killed
    most = max(used.most * (1 + HEADROOM), _AFTER_KILL * max(killed, default=0.0))
    used.request = quantities.memory(used.typical or most)
    used.limit = quantities.memory(most)
    return used


def _cpu(amounts: Sequence[float]) -> Used:
    used = _used(amounts)
    if amounts:
        steps = max(1, math.ceil(round(used.typical / _STEP, 6)))
        used.request = str(steps // 10) if steps % 10 == 0 else f"{steps * 100}m"
        used.limit = str(max(1, math.ceil(used.most * (1 + HEADROOM))))
    return used


def _used(amounts: Sequence[float]) -> Used:
    ordered = sorted(amounts)
    median, typical, most = (_percentile(ordered, share) for share in (0.5, _TYPICAL, 1.0))
    return Used(runs=len(ordered), median=median, typical=typical, most=most)


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: the least of the amounts that this share of them stays within; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
