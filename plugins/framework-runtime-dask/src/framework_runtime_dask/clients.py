"""What clients ask of schedulers: the few questions that are answered in a scheduler's own process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from framework_runtime_dask.connections import LATE, first_line
from framework_runtime_dask.provider import UnreachableError

_ASK: Final = 30.0  # seconds for an answer of one


def on_scheduler(client: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call one of the functions below in the scheduler's process.

    Raises:
        BackendError: The scheduler does not answer.
    """
    from distributed.comm.core import CommClosedError

    try:
        return client.sync(client._run_on_scheduler, function, *arguments, callback_timeout=_ASK)  # noqa: SLF001
    except (OSError, *LATE, CommClosedError, asyncio.CancelledError) as error:
        raise UnreachableError(
            f"the scheduler {client.scheduler.address} does not answer: {first_line(error)}",
            refused=False,
            advice="Look whether it is there: framework dask cluster list",
        ) from error


async def keep(owner: str, keys: list[str], dask_scheduler: Any = None) -> list[str]:
    """Have the scheduler keep the results of tasks for nobody's client, so that any client may go.

    Returns:
        The keys that it does not know, after some waiting for them.
    """
    import asyncio
    import time

    deadline = time.monotonic() + 20
    # The scheduler has no event for it.
    while (missing := [key for key in keys if key not in dask_scheduler.tasks]) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    dask_scheduler.client_desires_keys([key for key in keys if key in dask_scheduler.tasks], owner)
    return missing


def stay_for_results(longest: float, dask_scheduler: Any = None) -> None:
    """Have a scheduler not say that it is idle while it keeps results that nobody has collected, or has handlers.

    Args:
        longest: Seconds that it stays for the same results.
        dask_scheduler: The scheduler.
    """
    import time

    if hasattr(dask_scheduler, "framework_stays"):
        return
    check, seen = dask_scheduler.check_idle, {"counter": -1.0, "since": 0.0}

    def check_idle() -> float | None:
        since: float | None = check()
        if dask_scheduler.transition_counter != seen["counter"]:
            seen.update(counter=dask_scheduler.transition_counter, since=time.monotonic())
        here = set(dask_scheduler.task_metadata.get("framework-here", {})) & set(dask_scheduler.clients)
        owners = [it for name, it in dask_scheduler.clients.items() if name.startswith("framework-") and it.wants_what]
        if here or (owners and time.monotonic() - seen["since"] < longest):
            since = dask_scheduler.idle_since = None
        return since

    dask_scheduler.check_idle = check_idle
    dask_scheduler.framework_stays = True


def release(owner: str, keys: list[str], dask_scheduler: Any = None) -> None:
    """Have the scheduler keep these results no longer; all of the owner's where no key is given."""
    client = dask_scheduler.clients.get(owner)
    if client is None:
        return
    dask_scheduler.client_releases_keys(keys or [task.key for task in client.wants_what], owner)
    if not client.wants_what:
        del dask_scheduler.clients[owner]


def states(owner: str, dask_scheduler: Any = None) -> dict[str, str]:
    """The states of an owner's tasks, by key."""
    client = dask_scheduler.clients.get(owner)
    return {task.key: task.state for task in client.wants_what} if client is not None else {}


def summary(owner: str, patience: float | None = None, dask_scheduler: Any = None) -> dict[str, Any]:
    """What becomes of an owner's tasks, and how many workers there are.

    Args:
        owner: Whose tasks.
        patience: Seconds that a task may wait for a worker that can take it; None for as long as it likes.
        dask_scheduler: The scheduler.

    Returns:
        The keys of those in ``memory``, of those that have ``erred`` and of those that are ``stuck`` because no worker
        could take them in time, the number of those that are ``going`` on, and that of the ``workers``.
    """
    import time

    # Since when there has been no worker at all: without a limit of its own the scheduler does not look by itself.
    dask_scheduler._refresh_no_workers_since()  # noqa: SLF001
    now, alone = time.monotonic(), dask_scheduler._no_workers_since  # noqa: SLF001
    client = dask_scheduler.clients.get(owner)
    memory, erred, stuck, going = [], [], [], 0
    for task in client.wants_what if client is not None else ():
        # What waits for the inputs that are sent to it waits for a worker, too.
        since = alone if task.state in {"queued", "waiting"} else dask_scheduler.unrunnable.get(task)
        if task.state == "memory":
            memory.append(task.key)
        elif task.state == "erred":
            erred.append(task.key)
        elif patience is not None and since is not None and now - since > patience:
            stuck.append(task.key)
        else:
            going += 1
    held = getattr(dask_scheduler, "framework_held", {}).get(owner, ())  # (`framework_runtime_dask.holding`)
    if stuck and not going:  # what is held waits for those
        stuck += [f"{owner}-{index}" for index, _ in held]
    else:
        going += len(held)
    return {"memory": memory, "erred": erred, "stuck": stuck, "going": going, "workers": len(dask_scheduler.workers)}


def is_there(worker: str, dask_scheduler: Any = None) -> bool:
    """Whether the scheduler has a worker of that address."""
    return worker in dask_scheduler.workers


def error_of(key: str, dask_scheduler: Any = None) -> str:
    """What a task failed of: the class of the error, and what it says in brackets."""
    import pickle

    task = dask_scheduler.tasks.get(key)
    if task is None or not task.exception:
        return "it is not known any more"
    if task.exception_text:
        return str(task.exception_text)
    error = pickle.loads(task.exception)  # noqa: S301  one that the scheduler itself has made, which has no text
    return f"{type(error).__name__}({str(error)!r})"


def forget_topic(topic: str, dask_scheduler: Any = None) -> None:
    """Remove what the scheduler keeps of a run."""
    dask_scheduler._broker._topics.pop(topic, None)  # noqa: SLF001  it has no other door, and would keep it for good
    dask_scheduler.task_metadata.get("framework", {}).pop(topic, None)


def has_room(wanted: Mapping[str, float], dask_scheduler: Any = None) -> dict[str, Any]:
    """Which workers there are, and whether any has the abstract resources that are wanted."""
    workers = dask_scheduler.workers.values()
    fits = [it for it in workers if all((it.resources or {}).get(name, 0) >= much for name, much in wanted.items())]
    names = sorted({f"{name}={much:g}" for it in workers for name, much in (it.resources or {}).items()})
    return {"workers": len(dask_scheduler.workers), "fitting": len(fits), "resources": names}


def about_workers(dask_scheduler: Any = None) -> dict[str, dict[str, Any]]:
    """Each worker's pid, host, name, threads and memory in bytes, and how many tasks it has."""
    return {
        address: {
            "pid": worker.pid,
            "host": worker.host,
            "name": str(worker.name),
            "threads": worker.nthreads,
            "memory": worker.memory_limit,
            "tasks": len(worker.processing),
        }
        for address, worker in dask_scheduler.workers.items()
    }


def by_value(functions: Iterable[Callable[..., Any]]) -> None:
    """Have Dask pickle functions by value: nothing of ours has to be installed at the scheduler."""
    for function in functions:
        function.__module__ = "__main__"


by_value([keep, stay_for_results, release, states, summary, is_there, error_of, forget_topic, has_room, about_workers])
