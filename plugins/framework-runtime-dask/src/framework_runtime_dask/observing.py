"""What the scheduler's word on a task means for its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from framework.runtimes import Observation
from framework_run import ends
from framework_runtime_dask.clients import on_scheduler, states
from framework_runtime_dask.following import key_of, results

if TYPE_CHECKING:
    from framework.runtimes import Handle


def observation(client: Any, handle: Handle) -> Observation:
    """Whether the tasks of a handle go on; the ends of those that do not, where they left no final record."""
    topic, count = handle["topic"], handle["count"]
    found: dict[str, str] = on_scheduler(client, states, topic)
    claim = client.get_metadata(["framework", topic], default=None) or {}
    going = [state for state in found.values() if state not in {"memory", "erred"}]
    if count == 1 and not handle.get("uids"):
        return _single(client, handle, next(iter(found.values()), ""), claim)
    if going:
        return Observation(alive=True)
    return Observation(alive=False, end=_unknown(claim), ends=_ends(client, handle, found))


def _single(client: Any, handle: Handle, state: str, claim: Mapping[str, Any]) -> Observation:
    topic = handle["topic"]
    if state == "memory":
        result = results(client, topic, [0]).get(0)
        if result is None:
            return Observation(alive=True)  # its worker has just been lost, and the scheduler starts it again
        again = result.get("again")
        if again is not None:
            return Observation(alive=False, end=_gone(again))
        return Observation(alive=False, end=result.get("end"))
    if state == "erred":
        return Observation(alive=False, end=_of_error(client, topic, 0))
    if not state:
        return Observation(alive=False, end=_unknown(claim))
    worker = claim.get("worker")
    if worker and worker not in client.scheduler_info(n_workers=-1)["workers"]:
        return Observation(alive=False, end=_gone(claim))
    return Observation(alive=True)


def _gone(claim: Mapping[str, Any]) -> ends.Ending:
    if claim.get("abort") is not None and not claim.get("worker"):
        return ends.aborted("it was asked to end before it began")
    return ends.lost(f"its worker {claim.get('worker')} is gone")


def _unknown(claim: Mapping[str, Any]) -> ends.Ending:
    if claim.get("abort") is not None:
        return ends.aborted("it was asked to end before it began")
    return ends.lost("its scheduler knows nothing of it any more: it was restarted, or has forgotten it")


def _ends(client: Any, handle: Handle, found: Mapping[str, str]) -> dict[str, ends.Ending]:
    """The ends of a map's items, by uid: of those that failed at the scheduler, or left no final record."""
    topic, uids = handle["topic"], handle["uids"]
    kept = [index for index in range(len(uids)) if found.get(key_of(topic, index)) == "memory"]
    told = {uids[index]: it["end"] for index, it in results(client, topic, kept).items() if it.get("end")}
    failed = [index for index in range(len(uids)) if found.get(key_of(topic, index)) == "erred"]
    return {**told, **{uids[index]: _of_error(client, topic, index) for index in failed}}


def _of_error(client: Any, topic: str, index: int) -> ends.Ending:
    """The end of a task that failed at the scheduler."""
    from distributed import Future

    error = Future(key_of(topic, index), client).exception(timeout=10)
    name, text = type(error).__name__, str(error).strip().partition("\n")[0]
    if name == "KilledWorker":
        return ends.lost(f"the workers that had it are gone, again and again: {text}")
    if name in {"NoWorkerError", "NoValidWorkerError"}:
        advice = "Start workers that fit, or ask for less: -o resources={}"
        return ends.failed("Unschedulable", f"no worker could take it in time: {text}", advice)
    return ends.backend(f"its task failed: {name}: {text}", advice="Look at the worker's log.")
