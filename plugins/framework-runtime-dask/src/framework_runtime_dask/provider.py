"""Where a cluster comes from: the small interface that every provider has (`framework_runtime_dask.providers`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from framework.errors import BackendError, UsageError

if TYPE_CHECKING:
    from framework.models import Function
    from framework.runtimes import Finding, Leftover
    from framework_run.ends import Ending
    from framework_runtime_dask.options import DaskOptions


@frozen(kw_only=True)
class Place:
    """A cluster as a handle names it.

    Args:
        provider: Who started it.
        cluster: Its name.
        address: Its scheduler's.
        security: Paths of PEM files: ca_file, cert, key; empty without TLS.
        facts: What else the provider needs to find it again.
    """

    provider: str
    cluster: str
    address: str
    security: dict[str, str]
    facts: dict[str, str]


class NotStartedError(BackendError):
    """A cluster does not come up, and what is at fault is known.

    Args:
        end: The end of a run that was to run there: its cause, the evidence, what to do.
    """

    def __init__(self, end: Ending) -> None:
        super().__init__(end["message"], advice=end["advice"])
        self.end = end


class UnreachableError(BackendError):
    """A scheduler does not answer.

    Args:
        message: What was tried.
        refused: Its machine answered that nobody listens there: it is gone.
    """

    def __init__(self, message: str, *, refused: bool, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.refused = refused


class Provider(ABC):
    """One way to have a cluster.

    Args:
        home: FRAMEWORK_HOME.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    @abstractmethod
    def validate(self, function: Function, options: DaskOptions) -> None:
        """Check the options offline.

        Raises:
            UsageError: One does not fit.
        """

    @abstractmethod
    def render(self, function: Function, options: DaskOptions) -> Any:
        """What would be created, as a JSON document."""

    @abstractmethod
    def ensure(self, function: Function, options: DaskOptions) -> Place:
        """The cluster, started where it is not there.

        Raises:
            BackendError: It cannot be had.
        """

    def load(self) -> None:  # noqa: B027  most need little
        """Import what the way to the clusters that it has had needs."""

    @abstractmethod
    def evidence(self, place: Place) -> str:
        """Why the cluster is certainly gone; empty where it may be there."""

    def reach(self, place: Place) -> str:
        """The address of the scheduler as seen from here.

        Raises:
            BackendError: There is no way to it now.
        """
        return place.address

    def is_steady(self, place: Place) -> bool:  # noqa: ARG002
        """Whether that address is the same for every process of this machine, and stays when this one ends."""
        return True

    def without_workers(self, place: Place, patience: float) -> Ending | None:  # noqa: ARG002
        """Why no worker comes up, where the provider knows; ``patience`` is for how many seconds one may wait."""
        return None

    def without_scheduler(self, place: Place) -> Ending | None:  # noqa: ARG002
        """Why a scheduler that does not answer is not up, where the provider knows."""
        return None

    def of_worker(self, place: Place, worker: str, since: float) -> str:  # noqa: ARG002
        """Why a worker that is gone has ended, where that was for want of memory; empty where it was not.

        Args:
            place: The cluster.
            worker: The worker's address.
            since: Seconds since the epoch at which it was there.
        """
        return ""

    def findings(self, options: DaskOptions) -> list[Finding]:  # noqa: ARG002
        """What a preflight says of where clusters are started."""
        return []

    def clusters(self) -> list[Place]:
        """The clusters that this provider has started and that are there."""
        return []

    def leftovers(self) -> list[Leftover]:
        """The clusters that nobody needs, and that do not end by themselves."""
        return []

    def discard(self, leftover: Leftover) -> None:  # noqa: B027  a provider without leftovers is never asked
        """Remove one of them."""

    def release(self) -> None:  # noqa: B027  most have nothing open
        """Let go of what is open on the way to clusters."""

    def close(self, place: Place) -> None:
        """End a cluster that this provider has started."""
        raise UsageError(f"the cluster {place.cluster!r} is not ours to close", advice="Close it where it was started.")
