"""Asking runs to end, those that run by their supervisors, those that wait by the scheduler; and forgetting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework_runtime_dask import seed
from framework_runtime_dask.clients import forget_topic, on_scheduler, release, states
from framework_runtime_dask.holding import forget_held
from framework_runtime_dask.turns import close_turns

if TYPE_CHECKING:
    from framework.runtimes import Handle


def cancel(client: Any, handle: Handle, grace: float) -> None:
    """Ask what a handle stands for to end."""
    topic = handle["topic"]
    client.set_metadata(["framework", topic, "abort"], grace)
    if "uids" in handle:
        on_scheduler(client, forget_held, topic)
    found: dict[str, str] = on_scheduler(client, states, topic)
    waiting = [key for key, state in found.items() if state in {"no-worker", "queued", "waiting", "released"}]
    if waiting:
        on_scheduler(client, release, topic, waiting)  # nobody wants them any more, so they are forgotten
    uids = handle.get("uids") or [handle["run"]["uid"]]
    client.run(seed.abort_runs, handle["bundle"], topic, uids, grace, on_error="ignore")


def forget(client: Any, handle: Handle) -> None:
    """Have the scheduler and the workers keep nothing more of what a handle stands for."""
    on_scheduler(client, release, handle["topic"], [])
    if "uids" in handle:
        on_scheduler(client, forget_held, handle["topic"])
        on_scheduler(client, close_turns, handle["topic"])
        client.run(seed.close_map, handle["bundle"], handle["topic"], on_error="ignore")
    on_scheduler(client, forget_topic, handle["topic"])
