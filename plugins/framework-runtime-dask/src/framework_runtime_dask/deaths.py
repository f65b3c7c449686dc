"""Why workers are gone: their nannies tell which they have ended for memory, and a provider what became of theirs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from framework_run import ends
from framework_runtime_dask.memory import MORE, RESTARTS, of_nanny

if TYPE_CHECKING:
    from framework_run.ends import Ending

OfProvider = Callable[[str, float], str]

_PATIENCE: Final = 1.0  # seconds for the word of a nanny, which comes by another way than that its worker is gone
_PAUSE: Final = 0.1  # seconds between two looks
_TASKS: Final = (
    "A task of context.dask_client that calls sys.exit or os._exit, or crashes, ends its worker. If none does, look "
    "for an operator, a memory killer or a restart, and run it again."
)
_LAST: Final = re.compile(r"task was (\S+?)\.(?:\s|\"|'|$)")  # in what a `KilledWorker` says


class Deaths:
    """Asks who may know.

    Args:
        client: The client of the scheduler.
        of_provider: Says why a worker has ended, or nothing: it is given its address, and when it was there.
    """

    def __init__(self, client: Any, of_provider: OfProvider) -> None:
        self._client = client
        self._of_provider = of_provider
        self._told: dict[str, str] = {}  # by worker: what is asked of each is asked once, however many runs it had

    def of_worker(self, worker: str, since: float) -> Ending:
        """The end of a run whose worker is gone.

        Args:
            worker: Its address.
            since: Seconds since the epoch at which it was there.
        """
        why = self._why(worker, since)
        if why:
            return ends.failed("OutOfMemory", f"its worker {worker} is gone: {why}", MORE)
        return _lost(f"its worker {worker} is gone")

    def of_task(self, text: str) -> Ending:
        """The end of a task that the scheduler gives up, because the workers that had it have died.

        Args:
            text: What the scheduler says, which names the last of them.
        """
        last = _LAST.search(text)
        why = self._why(last.group(1), 0.0) if last else ""
        if why:
            return ends.failed("OutOfMemory", f"{why}: {text}", MORE)
        return _lost(f"the workers that had it are gone, again and again: {text}")

    def _why(self, worker: str, since: float) -> str:
        if worker not in self._told:
            self._told[worker] = self._of_nanny(worker) or self._of_provider(worker, since)
        return self._told[worker]

    def _of_nanny(self, worker: str) -> str:
        deadline = time.monotonic() + _PATIENCE
        while not (why := of_nanny(worker, self._client.get_events(RESTARTS))) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return why


def _lost(message: str) -> Ending:
    """The end of what has gone with a worker: tasks of a handler may end it, as they run in its own process."""
    return ends.failed("Lost", message, _TASKS)
