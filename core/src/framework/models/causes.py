"""The states of a run and the causes of its ends: the same words on every runtime (docs/architecture.md)."""

from __future__ import annotations

from typing import Final, Literal

State = Literal["created", "pending", "running", "completed", "failed", "aborted", "skipped"]

Cause = Literal[
    "UserError",
    "BadInput",
    "ImagePull",
    "Unschedulable",
    "OutOfMemory",
    "Evicted",
    "Preempted",
    "Timeout",
    "Aborted",
    "Lost",
    "BackendError",
]

ENDED: Final[frozenset[State]] = frozenset({"completed", "failed", "aborted", "skipped"})
