"""Attempts after the first: started when they are due, by whoever looks, once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from framework.engine.attempts import policy_of
from framework.engine.claims import claim, end_unstarted
from framework.engine.whereabouts import is_left_to_another
from framework.errors import FrameworkError, NotFound, UsageError
from framework_run import ends

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session
    from framework.runtimes import Handle

_SLACK: Final = 1.0  # seconds by which two clocks may differ without a word


def attempt_of(handle: Handle | None) -> int:
    """Which attempt a handle is of; 0 where there is none."""
    return 0 if handle is None else int(handle.get("run", {}).get("attempt", 1))


def time_left(run: Document) -> float:
    """Seconds until the attempt that a run waits for is due; never more than its pause, whatever clocks say."""
    retry = run["status"]["retry"]
    left = float(retry["due"]) - time.time()
    return 0.0 if left > retry["delay"] + _SLACK else max(0.0, left)


def start_due(session: Session, run: Document) -> bool:
    """Start the attempt that a run waits for, where it is due and nobody else does.

    What stands in its way is recorded as the end of that attempt; but where the code lies on the machine that started
    the run, it is left to that for a while.

    Returns:
        Whether this process has started it, or tried to.
    """
    if not run["status"].get("retry") or time_left(run) > 0:
        return False
    active = session.database.active_run(run["metadata"]["uid"])  # another process may have started it just now
    run = active.document
    retry = run["status"].get("retry")
    if not retry or attempt_of(active.handle) >= retry["attempt"] or time_left(run) > 0:
        return False
    if is_left_to_another(session, run):
        return False
    resources = _resources(session, run)
    token = claim(session, run, resources=resources)
    if not token:
        return False
    uid = run["metadata"]["uid"]
    try:
        handle = _submit(session, run, resources)
    except KeyboardInterrupt:
        end_unstarted(session, run, token, ends.aborted("it was asked to end while an attempt was being started"))
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it is why there is no attempt
        end_unstarted(session, run, token, _why_not(error))
    else:
        session.database.set_handle(uid, handle)
    return True


def withdraw(session: Session, run: Document) -> bool:
    """End a run that waits for an attempt.

    Returns:
        Whether it has; not where another process is about to start the attempt.
    """
    token = claim(session, run)
    if not token:
        return False
    end_unstarted(session, run, token, ends.aborted("it was asked to end while it waited for its next attempt"))
    return True


def _submit(session: Session, run: Document, resources: dict[str, Any]) -> Handle:
    from framework.engine.again import plan_attempt

    planned = plan_attempt(session, run, run["status"]["retry"]["attempt"], resources)
    return session.runtime(planned.function.kind).submit(planned.submission)


def _why_not(error: Exception) -> ends.Ending:
    message = f"the attempt could not be started: {error}"
    if isinstance(error, UsageError):
        return ends.bad_input(message, **({"advice": error.advice} if error.advice else {}))
    advice = error.advice if isinstance(error, FrameworkError) else ""
    return ends.backend(message, **({"advice": advice} if advice else {}))


def _resources(session: Session, run: Document) -> dict[str, Any]:
    """Requests and limits of the attempt that a run waits for, where they are not the function's own."""
    number = run["status"]["retry"]["attempt"]
    rows: list[dict[str, Any]] = run["status"]["attempts"]
    before = next((row for row in rows if row["number"] == number - 1), {})
    own: dict[str, Any] = before.get("resources") or run["spec"].get("resources") or {}
    if before.get("cause") != "OutOfMemory":
        return own
    from framework.engine.raising import raised

    try:
        return raised(session, run, own, policy_of(run))
    except NotFound:
        return own  # its function is gone, which is said when the attempt is planned
