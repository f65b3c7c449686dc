"""Memory on a worker: its nanny watches the worker's own process, and the runs are in processes below that one.

Part of what runs in the process of a Dask worker (`framework_runtime_dask.seed`). The limit is the one that the nanny
goes by: a share (``distributed.worker.memory.terminate``) of the worker's memory.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from framework_runtime_dask.taps import name_of

_PAUSE = 0.1  # seconds between two looks, as the nanny's
RESTARTS = "worker-restart-memory"  # the topic of nannies that have ended a worker for its memory
MORE = "Give each worker more (-o memory=…) or fewer runs at once (-o threads=…), or let a run hold less."


class Watch:
    """Ends the run that holds the most when a worker holds too much; all that is below the worker's process counts.

    Args:
        worker: The worker.
        held: The supervisors of the runs that may be ended, by pid: what has ``process``, ``report`` and ``drop``.
    """

    def __init__(self, worker: Any, held: Callable[[], dict[int, Any]]) -> None:
        self.worker = worker
        self.held = held
        self.bare = proportional(os.getpid())  # bytes of the worker's own process without any task in it
        self.over = threading.Event()

    def open(self) -> None:
        """Begin to look, where there is a limit."""
        import dask

        share = dask.config.get("distributed.worker.memory.terminate")
        limit = self.worker.memory_manager.memory_limit
        if limit and share and Path("/proc/self/statm").exists():
            threading.Thread(target=self.look, args=(int(limit * share), limit), daemon=True).start()

    def look(self, most: int, limit: int) -> None:
        """Look until the worker closes."""
        while not self.over.wait(_PAUSE):
            if self.held() and total(os.getpid(), resident) > most:
                held = total(os.getpid(), proportional)  # what is shared counts once, which takes longer to find out
                if held > most:
                    self.end(held, limit)

    def end(self, held: int, limit: int) -> None:
        """End the run that holds the most, if it is one of ours; tasks in the worker's own process are its nanny's."""
        own = os.getpid()
        sizes = {own: proportional(own) - self.bare, **{pid: total(pid, proportional) for pid in below(own)}}
        pid = max(sizes, key=lambda pid: sizes[pid], default=0)
        runner = self.held().get(pid)
        if runner is None:
            return
        name = name_of(self.worker)
        text = f"its worker {name} has {size(limit)} of memory and held {size(held)}, of which this run held the most"
        runner.drop({"cause": "OutOfMemory", "message": f"{text}, {size(sizes[pid])}", "advice": MORE})
        for child in list(descendants(pid)):
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)


def below(pid: int) -> list[int]:
    """The processes that a process has started, whichever of its threads has."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text(encoding="ascii").split())
    return found


def descendants(pid: int) -> Iterator[int]:
    """The processes below one, at any depth."""
    for child in below(pid):
        yield child
        yield from descendants(child)


def total(pid: int, measure: Callable[[int], int]) -> int:
    """Bytes that a process and all below it hold."""
    return sum(measure(each) for each in (pid, *descendants(pid)))


def resident(pid: int) -> int:
    """Bytes of a process in memory; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def proportional(pid: int) -> int:
    """As `resident`, where of what several share each has its part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    except (OSError, StopIteration):
        return resident(pid)


def size(number: float) -> str:
    """Bytes for people."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:.0f} MiB"


def of_nanny(text: str, restarts: Iterable[Any]) -> str:
    """What a nanny has told of a worker: that it has ended it for its memory; empty where none has.

    Args:
        text: The worker's address, or what names it.
        restarts: The events of their topic.
    """
    for _, event in restarts:
        if event["worker"] and re.search(rf"{re.escape(event['worker'])}(?!\d)", text):
            return f"the nanny of {event['worker']} ended it for its memory, at {size(event['rss'])}"
    return ""
