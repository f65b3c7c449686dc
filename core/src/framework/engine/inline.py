"""Runs in the caller's own process: two transactions."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from framework.engine.live import handle
from framework.errors import DatabaseError, ParameterError
from framework_run.errors import BindingError, SecretError
from framework_run.events import Event, Producer

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.databases import Document
    from framework.engine.plan import Planned
    from framework.engine.secrets import Guard
    from framework.engine.session import Session
    from framework.engine.undelivered import Undelivered
    from framework_run.masking import Masker

_SEND = 1.0  # seconds between two deliveries of a run that takes longer


class InlineRun:
    """One run inline: gives its events to the database in batches.

    Args:
        session: Where it is recorded.
        planned: What is run.
        on_event: Is told of each event.
    """

    def __init__(self, session: Session, planned: Planned, on_event: Callable[[Event], None] | None) -> None:
        self._session = session
        self._database = session.database
        self._planned = planned
        self._on_event = on_event
        self._producer = Producer(planned.submission.document["run"])
        self._waiting: list[Event] = []
        self._begun = False
        self._sent = time.monotonic()
        self._home = session.home
        self._masker: Masker | None = None  # of a run with secrets
        self._known: Document = planned.run  # as it was last recorded
        self._undelivered: Undelivered | None = None

    def run(self) -> tuple[Any, Document, BaseException | None]:
        """Run it to its end, with as many attempts as it has.

        Returns:
            What it returned, the ended run's document, and the exception that ended it.

        Raises:
            ParameterError: The parameters do not bind; nothing is recorded.
        """
        if self._planned.guard is not None:
            return self._run_with_secrets(self._planned.guard)
        return self._run(self._planned.request.params)

    def _run_with_secrets(self, guard: Guard) -> tuple[Any, Document, BaseException | None]:
        """With the values in this process's environment, and masked in what is recorded."""
        from framework_run import masking, secrets
        from framework_run.outcome import ending

        try:
            values = secrets.resolve(self._planned.submission.document["secrets"])
        except SecretError as error:
            self._begin()
            return None, self._end(ending(error)), error
        self._masker = masking.Masker(values.values())
        try:
            with secrets.in_environment(values):
                return self._run(secrets.filled(self._planned.request.params, values))
        except ParameterError as error:
            guard.mask(error)
            raise

    def _run(self, params: dict[str, Any]) -> tuple[Any, Document, BaseException | None]:
        value, document, error = self._attempt(params)
        while document["status"].get("retry") and self._undelivered is None:
            from framework.engine.waiting import wait_for_turn

            try:
                document, number = wait_for_turn(self._session, document)
            except KeyboardInterrupt as interrupt:
                return None, self._database.run(document["metadata"]["uid"]), interrupt
            if number:
                self._producer = Producer({**self._planned.submission.document["run"], "attempt": number})
                value, document, error = self._attempt(params, number)
        return value, document, error

    def _attempt(self, params: dict[str, Any], number: int = 1) -> tuple[Any, Document, BaseException | None]:
        from framework_run.inline import run_inline

        planned = self._planned
        submission = {**planned.submission.document, "params": params}
        if number > 1:
            submission["run"] = {**submission["run"], "attempt": number}
        assert planned.submission.callable is not None  # noqa: S101  the planner's own promise
        value, end, error = run_inline(
            planned.submission.callable,
            submission,
            self._emit,
            begin=self._begin,
            debug=planned.request.pdb,
            masker=self._masker,
        )
        if error is not None and not self._begun:
            if isinstance(error, BindingError):
                raise ParameterError(end["message"], advice=end["advice"]) from error
            raise error  # the database, or Ctrl-C: there is no run yet
        return value, self._end(end), error

    def _begin(self) -> None:
        """Insert the run, with its first attempt; of parameters that do not bind there is none."""
        if not self._begun:
            document = self._planned.run
            document["status"]["state"] = "running"
            self._planned.capture.keep(self._database)
            self._database.create_run(document, handle=handle(self._home))
            self._begun = True
        self._emit("state", {"state": "running", "pid": os.getpid()}, None)

    def _tell_what_was_late(self) -> None:
        """Facts of this side that were not known when the run began: git answers when it is through."""
        run = self._planned.run
        if "git" not in run["status"]["environment"]:
            facts = self._planned.capture.late(self._database, run["metadata"]["uid"])
            if facts:
                self._emit("client", facts, None)

    def _end(self, end: dict[str, Any]) -> Document:
        """Record the end, and tell who wants to know of it."""
        with suppress(DatabaseError):
            self._tell_what_was_late()
        self._emit("end", end, None)
        document = self._deliver()
        if self._planned.request.notifications and self._undelivered is None:
            from framework.engine.notifications import tell

            document = tell(self._session, document)
        return document

    def _emit(self, kind: str, data: dict[str, Any], child: str | None) -> None:
        if self._masker is not None:
            data = self._masker.event(kind, data)
        event = self._producer.event(kind, data, child=child)
        self._waiting.append(event)
        if self._on_event is not None and kind != "log":  # what it prints is on the terminal already
            self._on_event(event)
        if self._begun and time.monotonic() - self._sent > _SEND and kind != "end":
            self._deliver()

    def _deliver(self) -> Document:
        events, self._waiting = self._waiting, []
        if self._undelivered is None:
            try:
                self._known = self._database.apply(self._planned.run["metadata"]["uid"], events)
            except DatabaseError as error:
                self._put_by(events, error)
        else:
            self._known = self._undelivered.write(events, self._producer.kinds)
        self._sent = time.monotonic()
        return self._known

    def _put_by(self, events: list[Event], error: DatabaseError) -> None:
        """From here on the run is kept in a file, because its database does not answer.

        Raises:
            DatabaseError: There is no room for the file either.
        """
        from framework.engine.undelivered import Undelivered

        try:
            self._undelivered = Undelivered(self._home, self._known, handle(self._home))
            self._known = self._undelivered.write(events, self._producer.kinds)
        except OSError as refused:
            raise error from refused
        self._undelivered.say(error)
