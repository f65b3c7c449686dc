"""How often and how long a run may try: the function's ``spec.life`` with what was asked for this run, checked."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from framework.engine.attempts import NEVER, USUAL
from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.engine.request import RunRequest
    from framework.models import Function
    from framework.models.function import Retry

_CHOICE: Final = sorted({*USUAL, "UserError", "BadInput"})
_NUMBERS: Final = {"backoff": 0.0, "backoff_cap": 0.0, "memory_factor": 1.0}  # the least that each may be


def retry_of(request: RunRequest, function: Function) -> dict[str, Any]:
    """How a run is repeated, as its document keeps it; empty where it is not.

    Raises:
        UsageError: A field of it is out of its range.
    """
    usual = function.spec.life.retry
    if not request.retry and usual == _plain():
        return {}
    from framework.documents.converters import dump, structure
    from framework.documents.merging import merged
    from framework.models.function import Retry

    retry = structure(merged(dump(usual), request.retry), Retry, source="retry")
    _check(retry)
    if retry.attempts == 1 and request.retry and "attempts" not in request.retry:
        raise UsageError(
            f"retry.{next(iter(request.retry))} is given, and there is only one attempt",
            advice="Say how often it is repeated: --retry N (retry=N).",
        )
    return dump(retry) if retry.attempts > 1 else {}


def timeouts_of(request: RunRequest, function: Function) -> dict[str, float | None]:
    """The limits of time of a run, in seconds: pending, image_pull, run, grace.

    Raises:
        UsageError: One is negative, zero where that makes no sense, or no number.
    """
    usual = function.spec.life.timeouts
    limits = {"pending": usual.pending, "image_pull": usual.image_pull, "run": usual.run, "grace": usual.grace}
    unknown = set(request.timeouts) - set(limits)
    if unknown:
        raise UsageError(f"there is no timeout {min(unknown)!r}", advice=f"There are {', '.join(limits)}.")
    limits.update(request.timeouts)
    for name, seconds in limits.items():
        if seconds is not None and not (_is_number(seconds) and seconds >= 0 and (seconds or name == "grace")):
            raise UsageError(
                f"timeouts.{name} is {seconds!r}, which is no span of time",
                advice="Give seconds, more than 0." if name != "grace" else "Give seconds, 0 or more.",
            )
    return limits


def resources_of(request: RunRequest, function: Function) -> dict[str, dict[str, Any]]:
    """Requests and limits of a run: the function's, with what was asked for this run.

    Raises:
        UsageError: One is no quantity.
    """
    from framework_run.quantities import parse

    usual = function.spec.resources
    both = {
        "requests": {**usual.requests, **request.resources.get("requests", {})},
        "limits": {**usual.limits, **request.resources.get("limits", {})},
    }
    for part, amounts in both.items():
        for name, quantity in amounts.items():
            try:
                parse(quantity)
            except ValueError as error:
                raise UsageError(
                    f"resources.{part}.{name}: {error}", advice="Write a number, 500m, 2Gi or 1.5."
                ) from None
    return both


@cache
def _plain() -> Retry:
    from framework.models.function import Retry

    return Retry()


def _check(retry: Retry) -> None:
    if retry.attempts < 1:
        raise UsageError(f"retry.attempts is {retry.attempts}", advice="At least 1: the first one counts.")
    for name, least in _NUMBERS.items():
        number = getattr(retry, name)
        if not _is_number(number) or number < least:
            raise UsageError(f"retry.{name} is {number!r}", advice=f"At least {least:g}.")
    for cause in retry.on:
        if cause in NEVER:
            raise UsageError(
                f"retry.on has {cause!r}: what somebody has ended is not repeated",
                advice=f"Choose from {', '.join(_CHOICE)}.",
            )
    if retry.memory_cap:
        from framework_run.quantities import parse

        try:
            parse(retry.memory_cap)
        except ValueError as error:
            raise UsageError(f"retry.memory_cap: {error}", advice="Write it as 16Gi.") from None


def _is_number(number: object) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
