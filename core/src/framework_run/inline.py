"""A run in the caller's own process: the same rules, and no promise that needs a second process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from framework_run import ends, slot, tee
from framework_run.calling import arguments, settle
from framework_run.context import Context, Emit

if TYPE_CHECKING:
    from framework_run.masking import Masker


def run_inline(  # noqa: PLR0913  what one run takes
    function: Callable[..., Any],
    submission: dict[str, Any],
    emit: Emit,
    *,
    begin: Callable[[], None] = lambda: None,
    debug: bool = False,
    masker: Masker | None = None,
) -> tuple[Any, dict[str, Any], BaseException | None]:
    """Call a function as a run: the current context is its own, and what it prints goes to the run's log as well.

    Runs may be nested and may run in several threads at once: each has its own context and log. The caller emits the
    ``state`` before and the ``end`` after. What is written past Python's ``sys.stdout`` and ``sys.stderr``, by a
    library of C or a subprocess, is seen on the terminal only.

    Args:
        function: The live function.
        submission: The submission; its params are the values themselves, not encoded.
        emit: Takes kind, data and a child's uid, for each event.
        begin: Is called when the parameters are bound, before the function is; not at all where they do not bind.
        debug: Stop in the debugger (pdb) where it fails.
        masker: Knows what is masked in its output; None where nothing is.

    Returns:
        What it returned; its end, as of `framework_run.outcome.ending`; and the exception that made the end, if one did
        (KeyboardInterrupt included).
    """
    context = Context(submission, emit, timer=False)
    token = slot.set_current(context)
    output = tee.begin(emit, masker)
    try:
        args, keywords = arguments(function, submission, context)
        begin()
        value = settle(function(*args, **keywords))
        context.keep_returned(value, submission.get("returns") or ())
        context.flush()
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the end
        return _raised(error, context, output, debug=debug)
    else:
        return value, ends.completed(), None
    finally:
        tee.end(output)
        slot.reset(token)


def _raised(
    error: BaseException, context: Context, output: tee.Output, *, debug: bool
) -> tuple[None, dict[str, Any], BaseException | None]:
    from framework_run.outcome import ending, user_frames

    end = ending(error)
    if end["state"] == "completed":  # sys.exit(0)
        context.flush()
        return None, end, None
    text = end.get("traceback") or ""
    output.add("stderr", text)  # the log has it; on the terminal it is the caller's to show
    tee.end(output)
    with suppress(Exception):  # the run has failed already; what waited is sent if it can be
        context.flush()
    frames = user_frames(error)
    if debug and end["state"] == "failed" and frames is not None:
        import pdb  # noqa: T100  what was asked for

        sys.stderr.write(text)
        pdb.post_mortem(frames)
    return None, end, error
