"""The flags that say how long a run may take and how often it is tried: for the run, never in its version."""

from __future__ import annotations

from typing import Any, Final

from framework.cli.text import seconds

_TIMEOUTS: Final = {"timeout": "run", "pending_timeout": "pending", "grace": "grace"}


def timeouts(given: dict[str, Any]) -> dict[str, float]:
    """What ``--timeout``, ``--pending-timeout`` and ``--grace`` say, in seconds.

    Raises:
        UsageError: One is no span of time.
    """
    return {name: seconds(given[flag]) for flag, name in _TIMEOUTS.items() if given[flag] is not None}


def retry(given: dict[str, Any]) -> dict[str, Any]:
    """What ``--retry``, ``--retry-on`` and ``--retry-backoff`` say: fields of `framework.models.function.Retry`.

    Raises:
        UsageError: The backoff is no span of time.
    """
    policy: dict[str, Any] = {}
    if given["retry"] is not None:
        policy["attempts"] = given["retry"] + 1
    if given["retry_on"]:
        policy["on"] = [cause.strip() for word in given["retry_on"] for cause in word.split(",")]
    if given["retry_backoff"] is not None:
        policy["backoff"] = seconds(given["retry_backoff"])
    return policy
