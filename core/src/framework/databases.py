"""The interface of a database: where functions, runs, projects, artifacts and events are kept.

It speaks documents (plain JSON mappings), not attrs objects: a document is kept as it came, unknown keys included, and
the hot path of an inline run builds no object it does not need.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from attrs import Factory, define, frozen

from framework.errors import CapabilityMissing
from framework.runtimes import Cursor, Handle
from framework_run.events import Event

Document = dict[str, Any]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~"]


@frozen(kw_only=True)
class Condition:
    """``field operator value``: ``results.accuracy > 0.9``.

    ``field`` is ``params.KEY``, ``results.KEY``, ``metrics.KEY`` (the last value), ``labels.KEY``, or one of name,
    state, cause, kind, project, created, ended, duration. ``~`` matches a glob. A run that lacks the field matches
    nothing but ``!=``.
    """

    field: str
    operator: Operator
    value: str | float | int | bool | None


@frozen(kw_only=True)
class RunQuery:
    """Which runs, in which order. Times are seconds since the epoch."""

    project: str | None = None
    name: str | None = None  # a glob where it has *, ? or [
    states: Sequence[str] = ()
    labels: Mapping[str, str] = Factory(dict)
    since: float | None = None  # created at or after
    until: float | None = None
    parent: str | None = ""  # "" is top-level runs only, None is every run, a uid is that run's children
    function: str | None = None  # db://project/name, with or without @sha256:…
    conditions: Sequence[Condition] = ()
    order_by: str = "created"  # or a field as in Condition; runs without it come last
    descending: bool = True
    limit: int | None = 50
    offset: int = 0


Mark = tuple[int, int, int, int]
"""Which event a part of a chunk came with: iteration, rank, number, and how much of the chunk it is."""


@frozen(kw_only=True)
class LogChunk:
    """A piece of a run's output, as the bytes that were written."""

    attempt: int
    rank: int
    stream: str
    time: float
    data: bytes
    marks: tuple[Mark, ...] = ()  # in bytes; a merge tells by them what the other side has


@frozen(kw_only=True)
class MetricChunk:
    """Points of a metric: columns of equal length."""

    attempt: int
    key: str
    steps: Sequence[int]
    values: Sequence[float]
    times: Sequence[float]
    marks: tuple[Mark, ...] = ()  # in points, as those of a `LogChunk`


@define(kw_only=True)
class ActiveRun:
    """A run without a final end, and what it takes to go on following it."""

    uid: str
    document: Document
    handle: Handle | None
    cursor: Cursor


@define(kw_only=True)
class RunRecord:
    """All that is kept of one run: what a merge carries from one database to another."""

    document: Document
    ledger: dict[str, Any] = Factory(dict)  # what the merge rule remembers: `framework.engine.apply`
    handle: Handle | None = None
    cursor: Cursor = Factory(dict)
    log: list[LogChunk] = Factory(list)
    metrics: list[MetricChunk] = Factory(list)
    artifacts: list[Document] = Factory(list)

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self.document["metadata"]["uid"])


class Database(ABC):
    """Functions, runs, projects, artifacts and events.

    Every method is one transaction, safe to call from many processes and threads at once. Errors of the engine
    underneath come out as `framework.errors.DatabaseError`.

    Args:
        url: The database's URL, such as ``sqlite:///path`` or ``postgresql://user@host/name``.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections."""

    # Runs

    @abstractmethod
    def create_run(self, run: Document, *, handle: Handle | None = None) -> None:
        """Insert a run's document. A uid that is there already is left as it is."""

    def create_runs(self, runs: Sequence[Document]) -> None:
        """Insert many runs' documents, without handles; in one transaction where the database can."""
        for run in runs:
            self.create_run(run)

    @abstractmethod
    def set_handle(self, uid: str, handle: Handle) -> None:
        """Keep what `Runtime.submit` returned."""

    @abstractmethod
    def apply(
        self, uid: str, events: Sequence[Event], *, cursor: Cursor | None = None, durable: bool = False
    ) -> Document:
        """Apply events to a run by the merge rule (`framework.engine.apply`), with the reader's cursor, all at once.

        With ``durable`` it is on the disk when this returns, because the events' carrier is about to be removed.

        Returns:
            The run's document afterwards.

        Raises:
            NotFound: There is no such run.
        """

    def apply_all(self, batches: Mapping[str, Sequence[Event]]) -> dict[str, Document]:
        """As `apply`, for many runs at once: their uids and the events of each.

        It need not be on the disk when this returns; the next durable `apply` brings it there, too.

        Returns:
            The documents afterwards by uid.

        Raises:
            NotFound: There is no such run. What became of the others is not told, and giving it again does no harm.
        """
        return {uid: self.apply(uid, events) for uid, events in batches.items()}

    @abstractmethod
    def run(self, uid: str) -> Document:
        """The run whose uid is, or begins with, ``uid``.

        What a run has opened often begins as it does, such as the items of a map: the beginning names that run then.

        Raises:
            NotFound: There is none.
            Ambiguous: There are several, of which not exactly one was opened by no other.
        """

    @abstractmethod
    def runs(self, query: RunQuery) -> list[Document]:
        """The runs that fit."""

    @abstractmethod
    def count_runs(self, query: RunQuery) -> int:
        """How many there are that fit, regardless of limit and offset."""

    @abstractmethod
    def active_runs(self, kind: str | None = None) -> list[ActiveRun]:
        """Runs that have not ended, and ended ones whose end is provisional."""

    @abstractmethod
    def active_run(self, uid: str) -> ActiveRun:
        """One run with its handle and cursor, ended or not."""

    @abstractmethod
    def handles(self, kind: str) -> list[Handle]:
        """The handles of all runs of a kind, ended or not, the newest first: they tell where there have been runs."""

    @abstractmethod
    def delete_runs(self, uids: Iterable[str]) -> int:
        """Delete runs with their events, logs, metrics and children; returns how many runs are gone."""

    @abstractmethod
    def log(self, uid: str, *, attempt: int | None = None, after: int = 0) -> Iterator[LogChunk]:
        """The output of a run in order, from the ``after``-th chunk on; of the last attempt unless told."""

    @abstractmethod
    def metric(self, uid: str, key: str, *, attempt: int | None = None) -> list[tuple[int, float, float]]:
        """The points of a metric: (step, value, time), in order of step and time."""

    # What a merge takes

    @abstractmethod
    def run_stamps(self, project: str | None = None) -> Iterator[tuple[str, str]]:
        """The uid and the stamp (`framework.engine.reconcile.stamp`) of every run, the oldest first, children too."""

    @abstractmethod
    def dump_run(self, uid: str) -> RunRecord:
        """All that is kept of a run, as of one moment.

        Raises:
            NotFound: There is no such run.
        """

    @abstractmethod
    def load_runs(self, runs: Sequence[RunRecord]) -> list[bool]:
        """Bring in runs of another database, in one transaction that is on the disk when this returns.

        Of a run that is here already, the two are made one (`framework.engine.reconcile.reconciled`).

        Returns:
            Of each run, whether anything of it was new.
        """

    # Functions

    @abstractmethod
    def put_function(self, function: Document, *, latest: bool = True) -> str:
        """Keep a version (``status.version`` is its hash); the same version twice is one.

        Args:
            function: Its document.
            latest: Whether the tag ``latest`` moves to it. Without, a version that is there stays as it is, and a new
                one takes its place in the history by its time of creation; ``latest`` is set where there is none.

        Returns:
            The version.
        """

    @abstractmethod
    def function(self, project: str, name: str, *, tag: str = "latest", version: str | None = None) -> Document:
        """One version by tag, or by hash or its unique beginning; ``status.tags`` filled in.

        Raises:
            NotFound: There is none.
        """

    @abstractmethod
    def functions(self, project: str | None = None) -> list[Document]:
        """The latest version of every function."""

    @abstractmethod
    def function_history(self, project: str, name: str) -> list[Document]:
        """Every version of a function, the latest first."""

    @abstractmethod
    def tag_function(self, project: str, name: str, version: str, tag: str) -> None:
        """Move a tag to a version."""

    @abstractmethod
    def delete_function(self, project: str, name: str, *, version: str | None = None) -> int:
        """Delete a function, or one version; returns how many versions are gone."""

    # Artifacts

    @abstractmethod
    def artifacts(
        self, *, project: str | None = None, run: str | None = None, key: str | None = None, limit: int | None = 100
    ) -> list[Document]:
        """Artifacts, the newest first. They are recorded by `apply`."""

    @abstractmethod
    def artifact(self, project: str, key: str, *, tag: str = "latest", digest: str | None = None) -> Document:
        """One artifact.

        Raises:
            NotFound: There is none.
        """

    # Projects

    @abstractmethod
    def put_project(self, project: Document) -> None:
        """Create or replace a project."""

    @abstractmethod
    def project(self, name: str) -> Document:
        """One project. ``default`` always exists.

        Raises:
            NotFound: There is none.
        """

    @abstractmethod
    def projects(self) -> list[Document]:
        """Every project, by name."""

    # Contents

    @abstractmethod
    def put_content(self, content: bytes) -> str:
        """Keep bytes that many runs share, such as a list of packages or a patch; the same bytes twice are one.

        Returns:
            ``sha256:…`` of the bytes.
        """

    @abstractmethod
    def content(self, digest: str) -> bytes:
        """The bytes of a digest.

        Raises:
            NotFound: They are not kept.
        """

    @abstractmethod
    def contents(self) -> list[str]:
        """The digests of everything that is kept so, in their order."""

    # Care; a database without one of these says so

    def problems(self) -> list[str]:
        """What is wrong within: damage that the engine finds, rows that belong to nothing; one line each."""
        return []

    def vacuum(self) -> None:
        """Give back the room of what was deleted.

        Raises:
            CapabilityMissing: This database has no such thing.
        """
        raise CapabilityMissing(f"the database {self.url} cannot be vacuumed", advice="Nothing needs to be done.")

    def size(self) -> int | None:
        """How much room it takes, in bytes; None where that cannot be told."""
        return None

    def backup(self, target: Path) -> None:
        """Write a copy, as of one moment, while others go on writing.

        Args:
            target: A file that does not exist yet; it is there when it is whole.

        Raises:
            CapabilityMissing: This database is copied by other means, which the advice names.
        """
        raise CapabilityMissing(
            f"the database {self.url} cannot be copied to {str(target)!r}",
            advice="Write a portable file: framework db export FILE",
        )
