"""The interface of a runtime: how a kind starts, watches and ends runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import Factory, define, frozen

from framework.models import Function
from framework_run.events import Event

Handle = dict[str, Any]
"""What it takes to find a submitted run again from another process: JSON, with ``kind`` and ``version``."""

Cursor = dict[str, Any]
"""How far a follower has read: JSON, the carrier's own; empty at the beginning."""

Capability = Literal[
    "inline", "process", "remote", "detach", "abort", "timeout", "requirements", "limits", "deploy", "map"
]


@define(kw_only=True)
class Submission:
    """A run, planned and self-contained (docs/architecture.md, "Submission, version 1").

    ``document`` is what the runner reads; the rest is for the planning side. ``archive`` packs the code as a zip, for a
    runtime whose runs do not see this machine's files. ``detached`` says that nobody is going to follow it from here.
    ``storage`` is how a run that turns out to be on this machine keeps its artifacts (as `Storage.runner`), where the
    document has them in the run's events because its kind may run elsewhere; None where the document holds for all.
    """

    document: dict[str, Any]
    function: Function
    callable: Any = None  # the live function object, for a runtime that can call it inline
    archive: Callable[[], bytes] | None = None
    detached: bool = False
    storage: dict[str, Any] | None = None

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self.document["run"]["uid"])


@frozen(kw_only=True)
class Observation:
    """What a backend says of a run at one moment.

    ``alive`` is None where it cannot be told now (no connection): nothing is concluded from that.
    ``end`` is the end that the backend's own evidence suggests (state, cause, message, advice), provisional.
    ``ends`` are those of the items of a map, by their uid; ``end`` holds for the items that it does not name.
    ``waits`` is, of a run that is alive and has not begun, the end (cause, message, advice) that it has when its time
    to begin is over, in the backend's own words of what it waits for; None where the backend has none.
    """

    alive: bool | None
    end: Mapping[str, Any] | None = None
    ends: Mapping[str, Mapping[str, Any]] = Factory(dict)
    waits: Mapping[str, Any] | None = None


@frozen(kw_only=True)
class Finding:
    """One line of a preflight: what was asked, whether it is so, how to mend it."""

    subject: str
    ok: bool
    message: str = ""
    advice: str = ""


@frozen(kw_only=True)
class Leftover:
    """Something of ours at a backend that no run needs any more.

    Args:
        place: What finds it again, such as a path of the backend's API.
        name: What people call it.
        run: The uid of the run that it belonged to; empty for what is shared.
        age: Seconds since it was made.
        reason: Why nobody needs it.
    """

    place: str
    name: str
    run: str = ""
    age: float = 0.0
    reason: str = ""


StateOf = Callable[[str], "str | None"]
"""The state of a run by its uid; None for a run that this installation does not know, and may be somebody else's."""


@define(kw_only=True)
class RuntimeContext:
    """What the engine gives a runtime: the folders it may use, and ``[runtime.KIND]`` of the configuration file."""

    home: str  # FRAMEWORK_HOME
    settings: Mapping[str, Any] = Factory(dict)


class Runtime(ABC):
    """One kind of place where a Function runs.

    Args:
        context: The folders and settings of this installation.
    """

    def __init__(self, context: RuntimeContext) -> None:
        self.context = context

    @property
    def defaults(self) -> Mapping[str, Any]:
        """A part of a spec that holds for every function of this kind from here, where it says nothing itself.

        The engine merges it under the function (`framework.engine.defaults`), so what `validate`, `preflight`, `render`
        and `submit` are given has it. No version does.
        """
        return {}

    @abstractmethod
    def validate(self, function: Function) -> None:
        """Check offline that this kind can run the function.

        Raises:
            UsageError: It cannot; the message names the field.
        """

    def preflight(self, function: Function | None = None) -> list[Finding]:  # noqa: ARG002
        """Ask the backend what is missing; empty when there is nothing to ask."""
        return []

    @abstractmethod
    def render(self, submission: Submission) -> Any:
        """What the runtime would create, as a JSON document; pure."""

    def render_map(self, submissions: Sequence[Submission], parallelism: int) -> Any:  # noqa: ARG002
        """What the runtime would create for a map, as `render`; the first item's, where each is started by itself."""
        return self.render(submissions[0])

    @abstractmethod
    def submit(self, submission: Submission) -> Handle:
        """Start it and return at once.

        Raises:
            BackendError: It was not started; nothing is left behind.
        """

    def map(self, submissions: Sequence[Submission], parallelism: int) -> Handle:
        """Start many runs of one function as one, at most ``parallelism`` at once (0: as many as there is room for).

        Only for kinds with the capability ``map``; for the others the engine starts one run after another. Each
        submission has a uid of its own, and its ``record`` names the run that maps as ``spec.parent``. The handle
        stands for all: `follow` gives the events of any, told apart by ``event["run"]``, `observe` may tell the end
        of each, `cancel` and `cleanup` are for all. The sequence makes a submission when it is asked for one, so that
        many need little memory.

        Raises:
            BackendError: They were not started; nothing is left behind.
        """
        from framework.errors import CapabilityMissing

        raise CapabilityMissing(f"{type(self).__name__} cannot start {len(submissions)} runs as one (at {parallelism})")

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The documents and handles of runs that were started from here and not cleaned up yet; none unless told.

        A client that died between `submit` and the database is made good by this.
        """
        return iter(())

    @abstractmethod
    def observe(self, handle: Handle) -> Observation:
        """What the backend says of it now."""

    @abstractmethod
    def follow(self, handle: Handle, cursor: Cursor, *, wait: bool = True) -> Iterator[tuple[list[Event], Cursor]]:
        """Batches of events after ``cursor``, each with the cursor behind it.

        With ``wait`` it goes on until the final end has been given or the producer is gone, and gives an empty batch at
        least every half second, so that the caller can look at the clock; without, it stops at what is there now.
        """

    @abstractmethod
    def cancel(self, handle: Handle, grace: float) -> None:
        """Ask it to end, and end it after ``grace`` seconds (0: at once). Returns at once; the end is an event."""

    def leftovers(self, state_of: StateOf, handles: Iterable[Handle] = ()) -> list[Leftover]:  # noqa: ARG002
        """What is left of runs that have ended, at the backend; a kind that leaves nothing has none.

        Args:
            state_of: Tells the state of a run.
            handles: Those of the runs of this kind that this installation knows: where else there may be something.

        Raises:
            BackendError: The backend does not answer. Of several places it is enough that one does; the others are
                said by a warning.
        """
        return []

    def discard(self, leftover: Leftover) -> None:  # noqa: B027  a kind without leftovers is never asked
        """Remove a leftover; nothing happens when it is not there any more."""

    @abstractmethod
    def cleanup(self, handle: Handle) -> None:
        """Remove what the run left at the backend. Called only after its records are in the database."""

    def load(self) -> None:  # noqa: B027  most kinds have it at once
        """Load what looking at runs needs, such as a large client library: before the time of looking is counted."""

    def close(self) -> None:  # noqa: B027  most kinds have nothing open
        """Let go of what this process has open, such as connections. Runs go on, and what is used again opens again."""
