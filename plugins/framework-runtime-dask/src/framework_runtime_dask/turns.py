"""How many items of a map run at this moment: the scheduler counts them where only so many may.

`framework_runtime_dask.holding` gives no more out than may run; but Dask itself starts an item again whose result was
lost with a worker, beside those. So each item asks for its turn before it begins. A turn ends with its item, or with
its worker: a lease of Dask's own `Semaphore` outlives a worker by half a minute, and is lost by one that is too busy.

Part of what runs in the process of the scheduler, pickled by value (`framework_runtime_dask.clients`).
"""

from __future__ import annotations

from typing import Any

from framework_runtime_dask.clients import by_value


def open_turns(topic: str, limit: int, dask_scheduler: Any) -> None:
    """Have a scheduler answer to workers that ask for turns of a map.

    Args:
        topic: Of the map.
        limit: How many of its items may run at once.
        dask_scheduler: The scheduler.
    """
    if not hasattr(dask_scheduler, "framework_turns"):
        dask_scheduler.framework_turns = {}
    maps, workers = dask_scheduler.framework_turns, dask_scheduler.workers
    maps.setdefault(topic, {"limit": limit, "taken": {}})

    def begin(topic: str, index: int, worker: str) -> bool:
        """Whether an item may begin on a worker."""
        if topic not in maps or worker not in workers:
            return False
        taken = maps[topic]["taken"]
        for (where, number), process in list(taken.items()):
            if where not in workers or workers[where].server_id != process:
                del taken[where, number]  # its worker is gone
        if (worker, index) not in taken and len(taken) >= maps[topic]["limit"]:
            return False
        taken[worker, index] = workers[worker].server_id
        return True

    def end(topic: str, index: int, worker: str) -> None:
        """An item does not run any more."""
        if topic in maps:
            maps[topic]["taken"].pop((worker, index), None)

    dask_scheduler.handlers.update(framework_begin=begin, framework_end=end)


def close_turns(topic: str, dask_scheduler: Any = None) -> None:
    """Forget a map."""
    getattr(dask_scheduler, "framework_turns", {}).pop(topic, None)


by_value([open_turns, close_turns])
