"""Runs of remote kinds, looked at within a bound of time: an API that does not answer must not keep a list waiting.

Each is looked at by a thread of its own, which touches no database; what it has found is applied here, as by any other
follower. Of what has not been found in time nothing is concluded: it is found by a later command.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import Factory, define

from framework.engine.execute import Follower, of_attempt
from framework.errors import BackendError, FrameworkError
from framework.models.causes import ENDED
from framework.runtimes import Observation, Runtime

if TYPE_CHECKING:
    from framework.databases import ActiveRun, Document
    from framework.engine.session import Session
    from framework.runtimes import Cursor, Handle
    from framework_run.events import Event

PATIENCE: Final = 3.0
"""Seconds that a command which lists runs waits for those that are elsewhere."""

_THREADS: Final = 16  # that look at once
_NOT_YET: Final = "it has not answered yet"


@define
class Look:
    """What a thread has found of one run: what has come, and what the backend says. ``problem`` says why it has not."""

    batches: list[tuple[list[Event], Cursor]] = Factory(list)
    seen: Observation = Factory(lambda: Observation(alive=None))
    problem: str = ""


def is_elsewhere(session: Session, kind: str) -> bool:
    """Whether the runs of a kind are elsewhere."""
    registered = session.plugins.runtimes().get(kind)
    return registered is not None and "remote" in registered.item.capabilities


def bring(
    session: Session, runs: Sequence[ActiveRun], patience: float | None
) -> tuple[list[str], list[tuple[str, str]]]:
    """Bring runs up to date.

    Args:
        session: Where they are recorded.
        runs: Runs with a handle of a remote kind.
        patience: Seconds in all; None to wait for each as long as its backend takes.

    Returns:
        The uids of those that have come to their end by this; and of those that could not be looked at, uid and reason.
    """
    silent = {run.uid: _NOT_YET for run in runs}
    ended = []
    for run, look in _looks(session, runs, patience):
        if look.problem or look.seen.alive is None:
            silent[run.uid] = look.problem or "its backend cannot tell now"
        else:
            del silent[run.uid]
        try:
            document = _caught_up(session, run, _Seen(session, run, look), is_there=not look.problem)
        except BackendError as error:  # its backend went away before it was tidied up there
            silent[run.uid] = error.message
            continue
        if document["status"].get("state") in ENDED and run.document["status"].get("state") not in ENDED:
            ended.append(run.uid)
    return ended, list(silent.items())


def _caught_up(session: Session, run: ActiveRun, seen: Runtime, *, is_there: bool) -> Document:
    """The run's document when what was seen of it is recorded."""
    if run.document["spec"].get("map"):
        from framework.engine.map_there import MapFollower

        follower = MapFollower(session, seen, run.document, _handle(run), cursor=run.cursor)
        follower.catch_up(repeat=is_there)
        return session.database.run(run.uid)
    return Follower(session, seen, run.uid, _handle(run), cursor=run.cursor).catch_up()


def _handle(run: ActiveRun) -> Handle:
    assert run.handle is not None  # noqa: S101  the caller's own promise
    return run.handle


def _looks(session: Session, runs: Sequence[ActiveRun], patience: float | None) -> Iterator[tuple[ActiveRun, Look]]:
    """What has been found of each, as it is found, until time is up."""
    waiting: queue.SimpleQueue[tuple[ActiveRun, Runtime]] = queue.SimpleQueue()
    for run in runs:
        waiting.put((run, session.runtime(_handle(run)["kind"])))
    for kind in {_handle(run)["kind"] for run in runs}:
        with suppress(Exception):  # of one that cannot be loaded, whoever looks says why
            session.runtime(kind).load()  # a busy machine takes seconds for that, and no backend is to blame
    found: queue.SimpleQueue[tuple[ActiveRun, Look]] = queue.SimpleQueue()
    for _ in range(min(_THREADS, len(runs))):
        threading.Thread(target=_work, args=(waiting, found), name="framework-collect", daemon=True).start()
    deadline = None if patience is None else time.monotonic() + patience
    for _ in runs:
        try:
            yield found.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
    while not waiting.empty():  # nobody takes them any more
        try:
            waiting.get_nowait()
        except queue.Empty:
            break


def _work(
    waiting: queue.SimpleQueue[tuple[ActiveRun, Runtime]], found: queue.SimpleQueue[tuple[ActiveRun, Look]]
) -> None:
    while True:
        try:
            run, runtime = waiting.get_nowait()
        except queue.Empty:
            return
        found.put((run, _look(runtime, run)))


def _look(runtime: Runtime, run: ActiveRun) -> Look:
    """What is there of a run, and where its end is not, what the backend says of it."""
    look, handle = Look(), _handle(run)
    begin = of_attempt(run.cursor, int(handle.get("run", {}).get("attempt", 1)))
    try:
        look.batches += runtime.follow(handle, begin, wait=False)
        look.seen = runtime.observe(handle)
        if look.seen.alive is False:  # what was written between the two
            cursor = look.batches[-1][1] if look.batches else begin
            look.batches += runtime.follow(handle, cursor, wait=False)
    except FrameworkError as error:
        look.problem = error.message
    except Exception as error:  # noqa: BLE001  of a plugin that fails nothing is concluded either
        look.problem = f"{type(error).__name__}: {error}"
    return look


class _Seen(Runtime):
    """A runtime as it was seen: what a follower asks is answered from a look, and what it does is done."""

    def __init__(self, session: Session, run: ActiveRun, look: Look) -> None:
        self._real = session.runtime(_handle(run)["kind"])
        super().__init__(self._real.context)
        self._batches = look.batches
        self._seen = look.seen

    def validate(self, function: Any) -> None:
        self._real.validate(function)

    def render(self, submission: Any) -> Any:
        return self._real.render(submission)

    def submit(self, submission: Any) -> Handle:
        return self._real.submit(submission)

    def observe(self, handle: Handle) -> Observation:  # noqa: ARG002  as it was seen
        return self._seen

    def follow(
        self,
        handle: Handle,  # noqa: ARG002  as it was seen
        cursor: Cursor,  # noqa: ARG002
        *,
        wait: bool = True,  # noqa: ARG002
    ) -> Iterator[tuple[list[Event], Cursor]]:
        batches, self._batches = self._batches, []
        return iter(batches)

    def cancel(self, handle: Handle, grace: float) -> None:
        self._real.cancel(handle, grace)

    def cleanup(self, handle: Handle) -> None:
        self._real.cleanup(handle)
