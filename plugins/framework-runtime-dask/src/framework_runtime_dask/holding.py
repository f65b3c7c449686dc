"""Items of a map of which only so many may run at once: the others are held at the scheduler, and are no tasks yet.

Part of what runs in the process of the scheduler, pickled by value (`framework_runtime_dask.clients`). What is held
takes no place of a worker, lets no cluster grow, and needs no client: it lasts as long as the scheduler, as all tasks
do. It is given out by a client in the scheduler's own process, which follows those that it has given.

Not so: a task that waits on a worker has a place there that others could use; a chain of tasks, each of which waits
for the one before it, would run what has ended again when a worker is lost, and end with the first that is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework_runtime_dask.clients import by_value, keep, release
from framework_runtime_dask.turns import open_turns


async def hold(
    topic: str, run: Callable[..., Any], given: dict[str, Any], items: list[tuple[int, str]], dask_scheduler: Any = None
) -> list[str]:
    """Hold items of a map, and give out as many as may run.

    Args:
        topic: Of the map.
        run: The task of an item.
        given: ``limit`` (how many may run at once), ``parcel`` (the key of what is sent with each; may be empty),
            ``resources``, and what else the task takes.
        items: Each with its number.
        dask_scheduler: The scheduler.

    Returns:
        What is needed and is not there: the key of the parcel.
    """
    import asyncio
    from collections import deque

    if not hasattr(dask_scheduler, "framework_held"):
        dask_scheduler.framework_held, dask_scheduler.framework_leads = {}, {}
    open_turns(topic, given["limit"], dask_scheduler)
    parcel = given["parcel"]
    if parcel and (missing := await keep(f"{topic}-inputs", [parcel], dask_scheduler)):
        return missing
    dask_scheduler.framework_held.setdefault(topic, deque()).extend(items)
    if topic not in dask_scheduler.framework_leads:
        dask_scheduler.framework_leads[topic] = asyncio.create_task(lead(topic, run, given, dask_scheduler))
    return []


async def lead(topic: str, run: Callable[..., Any], given: dict[str, Any], scheduler: Any) -> None:
    """Give out what is held of a map, one for each that has ended, until nothing is left."""
    import asyncio
    from itertools import islice

    from distributed import Client, Future, as_completed

    held, free = scheduler.framework_held[topic], given["limit"]
    try:
        secure = as_client(scheduler.security)
        client = await Client(scheduler.address, asynchronous=True, set_as_default=False, security=secure)
        async with client:
            parcel: Any = Future(given["parcel"], client) if given["parcel"] else b""
            options = {**given, "topic": topic, "parcel": parcel, "pure": False}
            running = as_completed(loop=client.loop)
            while held or running.count():
                items = list(islice(held, free))
                if items:
                    keys = [f"{topic}-{index}" for index, _ in items]
                    futures = client.map(run, *zip(*items, strict=True), key=keys, **options)
                    await keep(topic, keys, scheduler)
                    for _ in items:  # not before: what is neither held nor a task is taken for lost
                        held.popleft()
                    running.update(futures)
                    del futures
                free = 0
                while running.has_ready() or not free:
                    await running.__anext__()  # its result is kept for the map, and no more for this client
                    free += 1
            forget_held(topic, scheduler)  # what comes while this client closes gets another
    except BaseException:
        if scheduler.framework_leads.get(topic) is asyncio.current_task():
            forget_held(topic, scheduler)
        raise


def as_client(security: Any) -> Any:
    """What a client in the scheduler's process needs for TLS: a scheduler has certificates of its own alone."""
    from distributed.security import Security

    if not security.tls_ca_file:
        return security
    return Security(
        require_encryption=security.require_encryption,
        tls_ca_file=security.tls_ca_file,
        tls_client_cert=security.tls_client_cert or security.tls_scheduler_cert,
        tls_client_key=security.tls_client_key or security.tls_scheduler_key,
    )


def forget_held(topic: str, dask_scheduler: Any = None) -> None:
    """Give out nothing more of a map."""
    import asyncio

    getattr(dask_scheduler, "framework_held", {}).pop(topic, None)
    task = getattr(dask_scheduler, "framework_leads", {}).pop(topic, None)
    if task is not None and task is not asyncio.current_task():
        task.cancel()
    release(f"{topic}-inputs", [], dask_scheduler)


by_value([hold, lead, as_client, forget_held])
