"""The supervisor: never runs user code, owns the carrier, and writes the end, whatever happens.

Here is its beginning, up to the start of the handler. What comes after that is in `framework_run.watching`, which is
imported when the handler is on its way: so it costs the handler neither time nor memory.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from framework_run import ends, launch, locks, peaks, processes
from framework_run.carriers import open_carrier
from framework_run.errors import SecretError
from framework_run.signals import Requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework_run.cgroups import Group


def main(argv: list[str]) -> int:
    """Run the submission in a file, or on standard input for ``-``.

    Returns:
        0: completed; 1: not; 2: no readable submission.
    """
    _open_standard_streams()
    requests = Requests()
    try:
        submission = _read(argv)
    except (IndexError, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"no readable submission: {type(error).__name__}: {error}\n")
        return 2
    return supervise(submission, requests)


def supervise(submission: dict[str, Any], requests: Requests | None = None) -> int:
    """Run a submission to its end.

    Args:
        submission: The whole submission.
        requests: The signals that came so far; they are counted from now on unless told.

    Returns:
        As `main`.
    """
    requests = requests or Requests()
    try:
        carrier = open_carrier(submission["carrier"], submission["token"])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the carrier cannot be opened: {error}\n")
        return 1
    with ExitStack() as until_the_end:
        values: dict[str, str] = {}
        started = _start(submission, requests, until_the_end, values)
        from framework_run.watching import Watcher

        return Watcher(submission, carrier, requests, values).see_through(started)


def _start(
    submission: dict[str, Any], requests: Requests, until_the_end: ExitStack, values: dict[str, str]
) -> launch.Started | ends.Ending:
    """Start the handler, or say the end of a run that has none; the values of secrets are put into ``values``."""
    try:
        _sign_lock(submission)
        processes.adopt_orphans()
        scratch = until_the_end.enter_context(scratch_of(submission))
        # A container's first process gets no signal before it can answer; of one that came earlier, this file is left.
        if requests.count or os.path.exists(submission["carrier"].get("abort", "")):  # noqa: PTH110  as in `_read`
            return ends.aborted("it was asked to end before it began")
        group = until_the_end.enter_context(_limits(submission))
        return launch.start(_with_secrets(submission, values), scratch, peaks.oom_kills(), group)
    except SecretError as error:
        return ends.bad_input(error.message, advice=error.advice)
    except Exception as error:  # noqa: BLE001  the end is written whatever happens
        return ends.backend(f"the handler could not be started: {type(error).__name__}: {error}")


def _with_secrets(submission: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """The submission for the handler: the only copy that holds a value of a secret, and it is in memory."""
    references = submission.get("secrets")
    if not references:
        return submission
    from framework_run import secrets

    values.update(secrets.resolve(references))
    return secrets.opened(submission, values)


def _sign_lock(submission: dict[str, Any]) -> None:
    fd = submission["carrier"].get("lock_fd")
    if fd is not None:  # it stays open until this process is gone
        os.set_inheritable(fd, False)  # noqa: FBT003  the system's own signature
        locks.sign(fd)


def _read(argv: list[str]) -> dict[str, Any]:
    if argv[0] == "-":
        submission = json.load(sys.stdin)
    else:
        with open(argv[0], encoding="utf-8") as stream:  # noqa: PTH123  pathlib is slow to import on the run side
            submission = json.load(stream)
    if submission["version"] != 1:
        raise ValueError(f"$.version is {submission['version']!r}, and only 1 is known here")
    for path in ("run.uid", "code", "carrier.type", "token"):
        _demand(submission, path)
    return dict(submission)


def _demand(submission: dict[str, Any], path: str) -> None:
    part: Any = submission
    for name in path.split("."):
        if not isinstance(part, dict) or name not in part:
            raise ValueError(f"$.{path} is missing")
        part = part[name]


def _open_standard_streams() -> None:
    """Open descriptors 0 to 2 where they are closed, on the null device: no file of ours may become standard output."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004  the lowest number that is free
        os.set_inheritable(fd, True)  # noqa: FBT003  the system's own signature
    os.close(fd)


@contextmanager
def _limits(submission: dict[str, Any]) -> Iterator[Group | None]:
    """The control group with the run's limits, for as long as it runs; its folders are noted for who comes after."""
    if not (submission.get("resources") or {}).get("limits"):
        yield None
        return
    from framework_run import limits

    group = limits.group(submission)
    note = submission["carrier"].get("groups")
    if group is not None and note:
        with open(note, "w", encoding="utf-8") as stream:  # noqa: PTH123  as in `_read`
            json.dump(sorted(set(group.folders.values())), stream)
    yield group
    if group is not None:
        group.remove()


@contextmanager
def scratch_of(submission: dict[str, Any]) -> Iterator[str]:
    """A folder of this run's own: the one that whoever starts runs here has made for it, or a temporary one."""
    given = submission["carrier"].get("scratch")
    if given:
        yield given
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="framework-run-", ignore_cleanup_errors=True) as path:
        yield path
