"""How many workers there are, and how many items have ended, over time: metrics of the run that is followed."""

from __future__ import annotations

from typing import Any, Final

from framework_run.events import EVENT_VERSION, Event

WORKERS: Final = "dask_workers"
DONE: Final = "dask_done"

_PAUSE: Final = 0.5  # seconds between two points of what has ended, at least
_SHARE: Final = 0.05  # of the time since the beginning, at least: a long map has some hundred points as well


class Timeline:
    """Draws points from what is looked at now and then; a step is a second since the first look.

    Args:
        run: The run, as its handle has it.
        is_map: Whether it maps: of a run alone there is something to draw only when the number of workers changes.
        kept: As `kept` gave it.
    """

    def __init__(self, run: dict[str, Any], *, is_map: bool, kept: dict[str, Any]) -> None:
        self._run = run
        self._is_map = is_map
        self._since: float = kept.get("since", 0.0)  # the first look; 0 before it
        self._workers: int = kept.get("workers", 0)  # the last number
        self._is_told: bool = kept.get("told", False)  # whether the first number of workers is a point
        self._done: int = kept.get("done", 0)
        self._done_at: float = kept.get("done_at", 0.0)

    def kept(self) -> dict[str, Any]:
        """What is kept of this, as JSON."""
        return {
            "since": self._since,
            "workers": self._workers,
            "told": self._is_told,
            "done": self._done,
            "done_at": self._done_at,
        }

    def of_workers(self, count: int, now: float) -> list[Event]:
        """The points of a look at the cluster.

        Args:
            count: How many workers it has.
            now: Seconds since the epoch.
        """
        is_first = not self._since
        before, self._workers = self._workers, count
        if is_first:
            self._since = self._done_at = now
        elif before == count:
            return []
        if not self._is_told and (self._is_map or not is_first):
            self._is_told = True
            first = self._point(WORKERS, count if is_first else before, self._since)
            return [first] if is_first else [first, self._point(WORKERS, count, now)]
        return [] if is_first else [self._point(WORKERS, count, now)]

    def of_done(self, count: int, now: float, *, last: bool = False) -> list[Event]:
        """The points of how many items have ended.

        Args:
            count: How many.
            now: Seconds since the epoch.
            last: There will be no other.
        """
        pause = max(_PAUSE, _SHARE * (now - self._since))
        if not self._is_map or count == self._done or not (last or now - self._done_at >= pause):
            return []
        self._since = self._since or now
        self._done, self._done_at = count, now
        return [self._point(DONE, count, now)]

    def _point(self, key: str, value: int, at: float) -> Event:
        data = {"key": key, "steps": [round(at - self._since)], "values": [float(value)], "times": [at]}
        attempt = self._run.get("attempt", 1)
        base = {"v": EVENT_VERSION, "run": self._run["uid"], "iteration": 0, "attempt": attempt, "rank": 0, "seq": 0}
        return {**base, "time": at, "kind": "metric", "data": data}
