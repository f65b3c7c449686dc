"""Several runs followed at once by somebody who only looks: each by a thread of its own, and none is asked to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from framework.engine.collect import collect
from framework.engine.execute import Follower
from framework.engine.map_there import MapFollower
from framework.engine.notifications import tell
from framework.engine.retrying import start_due
from framework.errors import FrameworkError
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import ActiveRun
    from framework.engine.session import Session
    from framework.runtimes import Handle
    from framework_run.events import Event

_PAUSE: Final = 0.3  # seconds between two looks at a run that nothing can be awaited of
_AFTER_A_PROBLEM: Final = 2.0  # seconds until it is tried again
_LEAVE: Final = 2.0  # seconds that threads have to let go


@contextmanager
def followed(session: Session, uids: Sequence[str]) -> Iterator[Followers]:
    """Bring in what runs report, as it comes, until they have ended or the block is left.

    Args:
        session: Where they are recorded.
        uids: The runs.
    """
    followers = Followers(session, uids)
    followers.begin()
    try:
        yield followers
    finally:
        followers.leave()


class Followers:
    """The threads that follow some runs.

    Args:
        session: Where they are recorded.
        uids: The runs.
    """

    def __init__(self, session: Session, uids: Sequence[str]) -> None:
        self._session = session
        self._open = set(uids)
        self._stop = threading.Event()
        self._news = threading.Event()
        self._lock = threading.Lock()  # one of them at a time looks at everything
        self._threads = [threading.Thread(target=self._keep, args=(uid,), daemon=True) for uid in self._open]
        self.problems: dict[str, str] = {}
        self.waits: dict[str, str] = {}  # of the runs that wait for their next attempt: for which, and until when
        self.failure: BaseException | None = None

    def begin(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Let the runs go on by themselves."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_LEAVE)

    @property
    def is_over(self) -> bool:
        """Whether every run has ended.

        Raises:
            FrameworkError: What keeps them from being followed, such as a database that is gone.
        """
        if self.failure is not None:
            raise self.failure
        return not self._open

    def wait(self, seconds: float) -> None:
        """Wait for news, and no longer than this."""
        if self._news.wait(seconds):
            self._news.clear()

    def _keep(self, uid: str) -> None:
        try:
            while not self._stop.is_set():
                active = self._session.database.active_run(uid)
                if active.document["status"].get("state") in ENDED:
                    break
                self._note_wait(active)
                self._look(active)
        except BaseException as error:  # noqa: BLE001  it belongs to who looks
            self.failure = self.failure or error
        self._open.discard(uid)
        self._news.set()

    def _note_wait(self, active: ActiveRun) -> None:
        status = active.document["status"]
        retry = status.get("retry")
        if retry and not retry.get("claim"):
            self.waits[active.uid] = status["message"]
            self._news.set()
        else:
            self.waits.pop(active.uid, None)

    def _look(self, active: ActiveRun) -> None:
        """Follow a run as far as it goes now."""
        handle = active.handle
        try:
            if handle is None or handle["kind"] in ("inline", "map"):
                with self._lock:
                    collect(self._session)
                self._stop.wait(_PAUSE)
                return
            if active.document["spec"].get("map"):
                self._follow_map(active, handle)
            else:
                self._follow_run(active, handle)
            self.problems.pop(active.uid, None)
        except FrameworkError as error:
            self.problems[active.uid] = error.message
            self._news.set()
            self._stop.wait(_AFTER_A_PROBLEM)

    def _follow_run(self, active: ActiveRun, handle: Handle) -> None:
        runtime = self._session.runtime(handle["kind"])
        follower = Follower(self._session, runtime, active.uid, handle, self._heard, cursor=active.cursor)
        document = follower.follow_while(self._is_wanted)
        if self._is_wanted() and not start_due(self._session, document):
            self._stop.wait(0.0 if document["status"].get("state") in ENDED else _PAUSE)

    def _follow_map(self, active: ActiveRun, handle: Handle) -> None:
        """A map that its kind has started as one: who follows it live is told why its items wait."""
        runtime = self._session.runtime(handle["kind"])
        follower = MapFollower(self._session, runtime, active.document, handle, self._heard, cursor=active.cursor)
        if follower.follow_while(self._is_wanted):
            tell(self._session, self._session.database.run(active.uid))
        else:
            self._stop.wait(_PAUSE)

    def _heard(self, _event: Event) -> None:
        self._news.set()

    def _is_wanted(self) -> bool:
        return not self._stop.is_set()
