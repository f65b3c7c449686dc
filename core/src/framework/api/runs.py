"""Runs as scripts and notebooks see them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from framework.errors import FrameworkError, FrameworkWarning
from framework.models.causes import ENDED
from framework_run.numbers import decode

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_PAUSE = 0.1  # seconds between two looks at a run that goes on


class RunFailed(FrameworkError):  # noqa: N818  the name of the public contract
    """A run ended and is not completed.

    Args:
        message: The cause and its evidence.
        run: The ended run.
        advice: How to mend it.
    """

    def __init__(self, message: str, run: TrackedRun, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.run = run


class TrackedRun:
    """A run that is recorded.

    Args:
        session: Where it is recorded.
        document: Its document as last seen.
    """

    def __init__(self, session: Session, document: Document) -> None:
        self._session = session
        self._document = document

    @property
    def document(self) -> Document:
        """The whole document, as last seen."""
        return self._document

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self._document["metadata"]["uid"])

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self._document["metadata"]["name"])

    @property
    def state(self) -> str:
        """created, pending, running, completed, failed, aborted or skipped."""
        return str(self._document["status"].get("state", "created"))

    @property
    def cause(self) -> str | None:
        """Why it ended otherwise than completed."""
        cause: str | None = self._document["status"].get("cause")
        return cause

    @property
    def message(self) -> str:
        """The evidence for the cause."""
        return str(self._document["status"].get("message", ""))

    @property
    def params(self) -> dict[str, Any]:
        """The parameters."""
        params: dict[str, Any] = decode(self._document["spec"].get("params", {}))
        return params

    @property
    def results(self) -> dict[str, Any]:
        """The results; a bare return value is ``return``."""
        results: dict[str, Any] = decode(self._document["status"].get("results", {}))
        return results

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric; `metric` has the series."""
        metrics: dict[str, float] = decode(self._document["status"].get("metrics", {}))
        return metrics

    @property
    def artifacts(self) -> dict[str, dict[str, Any]]:
        """The artifacts by key: uri, type, format, digest, size."""
        return dict(self._document["status"].get("artifacts", {}))

    def metric(self, key: str) -> list[tuple[int, float, float]]:
        """The points of a metric: (step, value, time)."""
        return self._session.database.metric(self.uid, key)

    def logs(self) -> str:
        """What it has printed, as text."""
        pieces = self._session.database.log(self.uid)
        return b"".join(piece.data for piece in pieces).decode("utf-8", "replace")

    @property
    def children(self) -> list[TrackedRun]:
        """The runs below it: the items of a map in their order, or those that its handler has opened."""
        from framework.databases import RunQuery

        found = self._session.database.runs(RunQuery(parent=self.uid, descending=False, limit=None))
        found.sort(
            key=lambda each: each["spec"].get("iteration") or 0
        )  # items that ran at once were recorded as they began
        return [TrackedRun(self._session, each) for each in found]

    def refresh(self) -> TrackedRun:
        """Look again."""
        from framework.engine.collect import collect

        if self.state not in ENDED or self._document["status"].get("provisional"):
            collect(self._session)
            self._document = self._session.database.run(self.uid)
        return self

    def wait(self, timeout: float | None = None, *, check: bool = True) -> TrackedRun:
        """Wait for the end.

        Args:
            timeout: Seconds; None for as long as it takes.
            check: Whether a run that is not completed raises.

        Raises:
            RunFailed: It ended and is not completed.
            TimeoutError: It goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.refresh().state not in ENDED:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"the run {self.uid} is still {self.state} after {timeout} s")
            time.sleep(_PAUSE)
        return self.check() if check else self

    def check(self) -> TrackedRun:
        """The run itself, if it is completed.

        Raises:
            RunFailed: It ended and is not completed.
        """
        if self.state in ENDED and self.state != "completed":
            status = self._document["status"]
            raise RunFailed(
                f"the run {self.uid} {self.state}: {self.cause}: {self.message}", self, advice=status.get("advice", "")
            )
        return self

    @property
    def cached_from(self) -> str:
        """The uid of the run whose results were reused; empty where this one was really run."""
        return str(self._document["status"].get("cached_from", ""))

    def replay(
        self,
        *,
        kind: str = "",
        inputs: Mapping[str, str] | None = None,
        here: bool = False,
        watch: bool = True,
        check: bool = True,
    ) -> TrackedRun:
        """Run it again: its code, packages, parameters and inputs, as a run of its own.

        What is not as it was is warned of, a `framework.errors.FrameworkWarning` each.

        Args:
            kind: The kind of runtime; its own unless told.
            inputs: Places that stand for inputs that are gone.
            here: Use the packages of this environment, whatever the run had.
            watch: Whether to wait for the end.
            check: Whether a run that is not completed raises.

        Raises:
            UsageError: It has not ended, or its code or an input is gone.
            RunFailed: The new run ended and is not completed.
        """
        import warnings

        from framework.engine.replaying import execute_again, prepare

        again = prepare(self._session, self._document, kind=kind, inputs=inputs, here=here)
        for text in again.notes:
            warnings.warn(f"not as it was: {text}", FrameworkWarning, stacklevel=2)
        run = TrackedRun(self._session, execute_again(self._session, again, watch=watch))
        return run.check() if check and watch else run

    def abort(self, grace: float | None = None) -> None:
        """Ask it to end, and have it ended after ``grace`` seconds (its own unless told); no attempt follows."""
        from framework.engine.aborting import abort

        abort(self._session, self.uid, grace)

    def __repr__(self) -> str:
        return f"<run {self.name} {self.uid} {self.state}>"

    def _repr_html_(self) -> str:
        rows = {
            "uid": self.uid,
            "state": f"{self.state} {self.cause or ''}".strip(),
            "message": self.message,
            "params": self.params,
            "results": self.results,
            "metrics": self.metrics,
            "artifacts": ", ".join(self.artifacts),
        }
        shown = ((name, escape(str(value))) for name, value in rows.items() if value)
        cells = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in shown)
        return f"<table><caption>{escape(self.name)}</caption>{cells}</table>"


def runs(  # noqa: PLR0913  one argument a question
    *,
    name: str | None = None,
    project: str | None = None,
    states: Sequence[str] = (),
    labels: dict[str, str] | None = None,
    where: str = "",
    order_by: str = "created",
    limit: int | None = 50,
) -> list[TrackedRun]:
    """The runs that fit, the newest first.

    Args:
        name: A name, or a glob.
        project: Every project unless told.
        states: Any of these states.
        labels: All of these labels.
        where: A condition such as ``results.accuracy > 0.9 and params.depth = 3``.
        order_by: A field such as ``results.accuracy``; the greatest first.
        limit: At most so many; None for all.

    Raises:
        ConditionError: The condition does not parse.
    """
    from framework.conditions import parse
    from framework.databases import RunQuery
    from framework.engine.collect import collect
    from framework.engine.session import current

    session = current()
    collect(session)
    query = RunQuery(
        name=name,
        project=project,
        states=states,
        labels=labels or {},
        conditions=parse(where) if where else (),
        order_by=order_by,
        limit=limit,
    )
    return [TrackedRun(session, document) for document in session.database.runs(query)]
