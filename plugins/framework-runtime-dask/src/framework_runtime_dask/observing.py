"""What the scheduler's word on a task means for its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from framework.runtimes import Observation
from framework_run import ends
from framework_runtime_dask.clients import error_of, has_room, on_scheduler, states, summary
from framework_runtime_dask.following import index_of, key_of, results

if TYPE_CHECKING:
    from framework.runtimes import Handle
    from framework_runtime_dask.deaths import Deaths

WhyNot = Callable[[float], "ends.Ending | None"]

_WAITING: Final = frozenset({"no-worker", "queued", "waiting", "released"})
_PATIENCE: Final = 300.0  # seconds that the pods of all workers may wait for a node


def observation(client: Any, handle: Handle, why_not: WhyNot, deaths: Deaths) -> Observation:
    """Whether the tasks of a handle go on; the ends of those that do not, where they left no final record.

    Args:
        client: The client of its scheduler.
        handle: The handle.
        why_not: Says why no worker comes up, where that is known; it is given how many seconds one may wait.
        deaths: Says why a worker is gone.
    """
    topic = handle["topic"]
    about = client.get_metadata(["framework", topic], default=None) or {}
    if "uids" not in handle:
        found: dict[str, str] = on_scheduler(client, states, topic)
        state = next(iter(found.values()), "")
        if state in _WAITING and (end := why_not(_PATIENCE)):
            return Observation(alive=False, end=end)
        if state in _WAITING and on_scheduler(client, summary, topic, handle.get("patience"))["stuck"]:
            return Observation(alive=False, end=_stuck(client, handle))
        return _single(client, handle, state, about, deaths)
    told = on_scheduler(client, summary, topic, handle.get("patience"))
    if told["going"]:
        if not told["workers"] and (end := why_not(_PATIENCE)):
            return Observation(alive=False, end=end)
        return Observation(alive=True)
    return Observation(alive=False, end=_unknown(about), ends=_ends(client, handle, told, deaths))


def _single(client: Any, handle: Handle, state: str, about: Mapping[str, Any], deaths: Deaths) -> Observation:
    if state == "memory":
        return _returned(client, handle, deaths)
    if state == "erred":
        return Observation(alive=False, end=_of_error(client, handle["topic"], 0, deaths))
    if not state:
        return Observation(alive=False, end=_unknown(about))
    worker = about.get("claim", {}).get("worker")
    if worker and worker not in client.scheduler_info(n_workers=-1)["workers"]:
        return Observation(alive=False, end=_gone(about, deaths))
    return Observation(alive=True)


def _returned(client: Any, handle: Handle, deaths: Deaths) -> Observation:
    result = results(client, handle["topic"], [0]).get(0)
    if result is None:
        return Observation(alive=True)  # its worker has just been lost, and the scheduler starts it again
    again = result.get("again")
    return Observation(alive=False, end=result.get("end") if again is None else _gone(again, deaths))


def _gone(about: Mapping[str, Any], deaths: Deaths) -> ends.Ending:
    """The end of a run that the scheduler has given to a second worker, or would not give to the first."""
    claim = about.get("claim")
    return deaths.of_worker(claim["worker"], claim["time"]) if claim else ends.aborted(_BEFORE)


def _unknown(about: Mapping[str, Any]) -> ends.Ending:
    if about.get("abort") is not None and not about.get("claim"):
        return ends.aborted(_BEFORE)
    return ends.lost("its scheduler knows nothing of it: it was never given it, was restarted, or has forgotten it")


_BEFORE: Final = "it was asked to end before it began"


def _ends(client: Any, handle: Handle, told: Mapping[str, Any], deaths: Deaths) -> dict[str, ends.Ending]:
    """The ends of a map's items, by uid: of those that failed at the scheduler, or left no final record."""
    topic, uids = handle["topic"], handle["uids"]
    kept = [index_of(key) for key in told["memory"]]
    left = {uids[index]: it["end"] for index, it in results(client, topic, kept).items() if it.get("end")}
    erred = {uids[index]: _of_error(client, topic, index, deaths) for index in map(index_of, told["erred"])}
    stuck = _stuck(client, handle) if told["stuck"] else {}
    return {**left, **erred, **{uids[index_of(key)]: stuck for key in told["stuck"]}}


def _stuck(client: Any, handle: Handle) -> ends.Ending:
    """The end of what no worker could take for as long as it may wait."""
    wanted = handle.get("resources") or {}
    found = on_scheduler(client, has_room, wanted)
    asked = ", ".join(f"{name}={much:g}" for name, much in wanted.items()) or "no resources"
    have = ", ".join(found["resources"]) or "none"
    why = f"it asks for {asked}, and none has that (they have: {have})" if found["workers"] else "there is none"
    return ends.failed(
        "Unschedulable",
        f"no worker could take it in {handle['patience']:g} s: {why}",
        "Start workers that fit, ask for less (-o resources={}), or wait longer (-o no_workers_timeout=1h).",
    )


def _of_error(client: Any, topic: str, index: int, deaths: Deaths) -> ends.Ending:
    """The end of a task that failed at the scheduler."""
    text = on_scheduler(client, error_of, key_of(topic, index)).partition("\n")[0]
    name = text.partition("(")[0]
    if name == "KilledWorker":
        return deaths.of_task(text)
    if name in {"NoWorkerError", "NoValidWorkerError"}:
        advice = "Start workers that fit, or ask for less: -o resources={}"
        return ends.failed("Unschedulable", f"no worker could take it in time: {text}", advice)
    return ends.backend(f"its task failed: {text}", advice="Look at the worker's log.")
