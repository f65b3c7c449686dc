"""Whether an attempt is followed by another, and when: drawn from the run's record alone, so that all who look agree.

The time before attempt *n* is a share of ``min(backoff_cap, backoff * 2 ** (n - 2))`` seconds, from 0 to all of it
("full jitter", M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015). The share is taken from the
hash of uid and number instead of a dice: who computes it again finds the same moment.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final, get_args

from framework.models.causes import Cause

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.models.function import Retry

NEVER: Final = frozenset({"Aborted"})
"""Causes that no retry answers to: somebody wanted the end."""

USUAL: Final = frozenset(get_args(Cause)) - {"UserError", "BadInput"} - NEVER
"""Causes that a retry answers to where nothing is said."""

_DOUBLINGS: Final = 60  # beyond these every backoff is at its cap
_LONGEST: Final = 300  # characters of evidence


def policy_of(run: Document) -> Retry:
    """How a run is repeated."""
    from framework.models.function import Retry

    known = Retry.__annotations__
    return Retry(**{name: value for name, value in run["spec"].get("retry", {}).items() if name in known})


def waiting(run: Document, attempts: dict[int, Any], ends: dict[int, Any]) -> dict[str, Any]:
    """What a run that has a retry policy waits for: the start of an attempt.

    Args:
        run: The run's document.
        attempts: The entries of the ledger by number.
        ends: What `framework.engine.ending.settle` says of each.

    Returns:
        attempt, of, due (seconds since the epoch), delay (seconds), claim (who starts it) and message; empty where it
        waits for none.
    """
    number = max(attempts)
    if is_started(attempts[number]):
        return _after(run, number, attempts[number], ends[number])
    claim = attempts[number].get("claim")
    before = number - 1
    found = _after(run, before, attempts[before], ends[before]) if before in attempts else {}
    if claim is None:
        return found
    found = found or {"attempt": number, "due": claim["time"], "delay": 0.0}
    return {**found, "claim": claim, "message": f"attempt {number} is being started"}


def why_no_more(run: Document) -> str:
    """Why a run that failed and may be repeated is not; empty where there is nothing to say."""
    status = run["status"]
    if status.get("state") != "failed" or not run["spec"].get("retry"):
        return ""
    policy, cause = policy_of(run), status.get("cause")
    if len(status.get("attempts") or []) >= policy.attempts:
        return f"It was tried {policy.attempts} times."
    if cause not in (policy.on or USUAL):
        return f"It is not repeated: {cause} is not among the causes that its retry answers to (--retry-on {cause})."
    return "It is not repeated: it was asked to end, or said itself that to repeat it would not help."


def is_started(entry: dict[str, Any]) -> bool:
    """Whether there is more of an attempt than the intention to start it."""
    return bool(entry["producers"] or "begun" in entry or "ends" in entry or "observed" in entry)


def delay(policy: Retry, uid: str, number: int) -> float:
    """Seconds between an attempt's end and the start of the next one.

    Args:
        policy: How the run is repeated.
        uid: The run.
        number: The attempt that is to start, from 2 on.
    """
    most = min(policy.backoff_cap, policy.backoff * 2.0 ** min(number - 2, _DOUBLINGS))
    digest = hashlib.sha256(f"{uid}/{number}".encode()).digest()
    return most * int.from_bytes(digest[:8], "big") / 2**64


def _after(run: Document, number: int, entry: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    if end.get("state") != "failed" or end.get("retryable") is False or entry.get("stopped"):
        return {}
    policy, cause = policy_of(run), end.get("cause")
    if number >= policy.attempts or cause not in (policy.on or USUAL):
        return {}
    pause = delay(policy, run["metadata"]["uid"], number + 1)
    due = end["time"] + pause
    said = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(due))
    evidence = f"{cause}: {end.get('message', '')}"[:_LONGEST]
    return {
        "attempt": number + 1,
        "of": policy.attempts,
        "due": due,
        "delay": pause,
        "message": f"attempt {number} of {policy.attempts} failed ({evidence}); the next is due at {said} UTC",
    }
