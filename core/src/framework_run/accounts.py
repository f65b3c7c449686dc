"""What the kernel counts of a run while it goes on: memory that is held, and processes that were killed for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from framework_run import ends, peaks

if TYPE_CHECKING:
    from framework_run.cgroups import Group

_EVERY: Final = 0.5  # seconds between two looks at what the group holds
_NEVER: Final = float("inf")


class Accounts:
    """The accounts of one attempt.

    Args:
        group: Its control group; None where it has none of its own.
        before: What `framework_run.peaks.oom_kills` said before it began.
        limits: Its limits, for the evidence.
    """

    def __init__(self, group: Group | None, before: int, limits: dict[str, Any]) -> None:
        self._group = group
        self._before = before
        self._limit = limits.get("memory")
        self._held = 0  # bytes
        self.next = _NEVER if group is None or "memory" not in group.folders else time.monotonic()

    def look(self) -> None:
        """Note what the group holds now, if it is time to."""
        now = time.monotonic()
        if self._group is not None and now >= self.next:
            self.next = now + _EVERY
            self._held = max(self._held, self._group.memory())

    def oom_kills(self) -> int:
        """How often the kernel has killed for memory since it began: in its group, else where this process is."""
        return self._own_kills() or peaks.oom_kills() - self._before

    def peak(self, usage: peaks.Usage | None) -> peaks.Usage | None:
        """What it has used at most.

        Args:
            usage: What its processes have used, each by itself.

        Returns:
            The same with the memory of all together, where that was more.
        """
        if usage is None:
            return None
        held = max(self._held, self._most() if self._own_kills() else 0)
        return {**usage, "memory": max(usage["memory"], held)}

    def explained(self, end: ends.Ending) -> ends.Ending:
        """An end with the limit of memory as its reason, where that is what lies behind it."""
        kills = self._own_kills()
        at = f"at its limit memory={self._limit}"
        if kills and end.get("cause") == "OutOfMemory":
            return {**end, "message": f"{end['message']}, {at}"}
        if kills and end.get("cause") == "UserError":
            count = "a process" if kills == 1 else f"{kills} processes"
            found = ends.out_of_memory(f"the kernel killed {count} of it {at}: {end['message']}")
            return {**end, **found}
        return end

    def _own_kills(self) -> int:
        return 0 if self._group is None else self._group.oom_kills()

    def _most(self) -> int:
        from framework_run import quantities

        return int(quantities.parse(self._limit or 0))
