"""The kind ``dask``: a run is a task whose result the scheduler keeps, and whose events come by a topic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.documents.converters import structure
from framework.errors import BackendError, UsageError
from framework.models import Function
from framework.runtimes import (
    Cursor,
    Finding,
    Handle,
    Leftover,
    Observation,
    Runtime,
    RuntimeContext,
    StateOf,
    Submission,
)
from framework_run import ends
from framework_run.events import Event
from framework_runtime_dask.clients import about_workers, has_room, on_scheduler, stay_for_results
from framework_runtime_dask.connections import Connections, broken
from framework_runtime_dask.handles import end_of_unstarted, place_of, unstarted
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.provider import NotStartedError, Place, Provider, UnreachableError
from framework_runtime_dask.providers import provider
from framework_runtime_dask.reading import check_read
from framework_runtime_dask.records import Records
from framework_runtime_dask.scale import check_numbers, check_times
from framework_runtime_dask.versions import check_versions

if TYPE_CHECKING:
    from framework_runtime_dask.deaths import Deaths

_LONGEST: Final = 7 * 86_400.0  # seconds that results wait for whoever collects them
_GLANCE: Final = 3.0  # seconds to reach a scheduler about a run that is there already


class DaskRuntime(Runtime):
    """Runs on Dask clusters.

    Args:
        context: The folders and settings of this installation.
    """

    def __init__(self, context: RuntimeContext) -> None:
        super().__init__(context)
        self._home = Path(context.home)
        self._providers: dict[str, Provider] = {}
        self._connections = Connections(lambda place: self._provider(place.provider).reach(place))
        self._records = Records(self._home)

    def validate(self, function: Function) -> None:
        """Check the options and the scale.

        Raises:
            UsageError: One does not fit; the message names it.
        """
        options = self._options(function)
        check_times(options)
        check_numbers(options)
        check_read(function, options.provider)
        self._provider(options.provider).validate(function, options)

    def preflight(self, function: Function | None = None) -> list[Finding]:
        """Whether the scheduler answers, with workers of this Python."""
        if function is None:
            return []
        options = self._options(function)
        if options.provider != "address":
            return self._provider(options.provider).findings(options)
        place = self._provider("address").ensure(function, options)
        try:
            with self._connections.client(place) as client:
                check_versions(client, place)
                count = len(client.scheduler_info(n_workers=-1)["workers"])
        except BackendError as error:
            return [Finding(subject=f"scheduler {place.address}", ok=False, message=error.message, advice=error.advice)]
        return [Finding(subject=f"scheduler {place.address}", ok=True, message=f"{count} workers")]

    def render(self, submission: Submission) -> dict[str, Any]:
        """The cluster as it would be started, and the submission; secrets are masked."""
        options = self._options(submission.function)
        secret = submission.function.spec.environment.secrets
        document = dict(submission.document)
        document["env"] = {name: "***" if name in secret else it for name, it in (document.get("env") or {}).items()}
        cluster = self._provider(options.provider).render(submission.function, options)
        return {"provider": options.provider, "cluster": cluster, "submission": document}

    def submit(self, submission: Submission) -> Handle:
        """Start the task; the scheduler keeps its result when this process ends.

        With ``options.driver`` ``client`` the handler is started on this machine, and the handle is one of the kind
        ``local``.

        Raises:
            BackendError: The cluster cannot be had, or no worker could ever take it.
        """
        from framework_runtime_dask.giving import Giver

        try:
            place = self._cluster(submission.function)
        except NotStartedError as error:
            return unstarted(submission.document["run"], error.end)
        options = self._options(submission.function)
        with self._checked(options, place) as client:
            giver = Giver(client, place, options, self._records)
            if options.driver == "client":
                return giver.run_here(submission, self._home, self._provider(place.provider))
            return giver.run(submission)

    def map(self, submissions: Sequence[Submission], parallelism: int) -> Handle:
        """Start a task for each, some hundred at a time; the scheduler keeps their results.

        Raises:
            BackendError: As of `submit`.
        """
        from framework_runtime_dask.giving import Giver

        first = submissions[0]
        options = self._options(first.function)
        if options.driver == "client":
            raise UsageError(
                "options.driver is 'client', and the items of a map run on the workers",
                advice="Leave it out for this run: -o driver=worker",
            )
        parent = first.document["record"]["spec"]["parent"]
        try:
            place = self._cluster(first.function)
        except NotStartedError as error:
            return unstarted({**first.document["run"], "uid": parent}, error.end)
        with self._checked(options, place) as client:
            return Giver(client, place, options, self._records).map(submissions, parallelism)

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The runs that were started from here and not cleaned up yet."""
        return self._records.all()

    def observe(self, handle: Handle) -> Observation:
        """What the scheduler says of the run; that it is gone, where that is certain."""
        from framework_runtime_dask.observing import observation

        if end := self._ended(handle):
            return Observation(alive=False, end=end)
        place = place_of(handle)
        why_not = partial(self._provider(place.provider).without_workers, place)
        try:
            try:
                with self._connections.client(place, timeout=_GLANCE) as client:
                    return observation(client, handle, why_not, self._deaths(client, place))
            except OSError:  # the connection has just broken: ask once more
                self._connections.forget(place)
                with self._connections.client(place, timeout=_GLANCE) as client:
                    return observation(client, handle, why_not, self._deaths(client, place))
        except UnreachableError as error:
            evidence = self._provider(place.provider).evidence(place)
            if evidence or error.refused:
                return Observation(alive=False, end=ends.lost(evidence or error.message))
            return Observation(alive=None)
        except OSError:
            return Observation(alive=None)

    def follow(self, handle: Handle, cursor: Cursor, *, wait: bool = True) -> Iterator[tuple[list[Event], Cursor]]:
        """The events after ``cursor``, live, then those of the task's result that have not come so."""
        from framework_runtime_dask.following import Follower

        if self._ended(handle):
            return
        try:
            place = place_of(handle)
            with self._connections.client(place, timeout=_GLANCE) as client:
                deaths, is_gone = self._deaths(client, place), lambda: bool(self._ended(handle))
                yield from Follower(client, handle, cursor, deaths, is_gone).batches(wait=wait)
        except (UnreachableError, OSError):
            return  # `observe` says what is to be concluded from that

    def cancel(self, handle: Handle, grace: float) -> None:
        """Ask the run to end; one that has not begun does not begin any more.

        Raises:
            BackendError: The scheduler does not answer.
        """
        from framework_runtime_dask.cancelling import cancel

        if end_of_unstarted(handle):
            return
        try:
            with self._connections.client(place_of(handle)) as client:
                cancel(client, handle, grace)
        except OSError as error:
            raise broken(place_of(handle), error) from error

    def cleanup(self, handle: Handle) -> None:
        """Have the scheduler forget the run."""
        from framework_runtime_dask.cancelling import forget

        try:
            if not self._ended(handle):
                with self._connections.client(place_of(handle), timeout=_GLANCE) as client:
                    forget(client, handle)
        except (UnreachableError, OSError):
            pass  # what it kept is gone with it
        self._records.remove(handle["run"]["uid"])

    def _ended(self, handle: Handle) -> ends.Ending | None:
        """The end of a run whose cluster is gone, where that is known without a look at the network."""
        if end := end_of_unstarted(handle):
            return end
        place = place_of(handle)
        evidence = self._provider(place.provider).evidence(place) if place.provider == "local" else ""
        return ends.lost(evidence) if evidence else None

    def leftovers(
        self,
        state_of: StateOf,  # noqa: ARG002  clusters belong to no run
        handles: Iterable[Handle] = (),  # noqa: ARG002  the provider notes where it has had some
    ) -> list[Leftover]:
        """The clusters that never came up, and that nobody else ends.

        Raises:
            BackendError: As of `framework.runtimes.Runtime.leftovers`.
        """
        return self._provider("operator").leftovers()

    def discard(self, leftover: Leftover) -> None:
        """Delete one."""
        self._provider("operator").discard(leftover)

    def workers(self, handle: Handle) -> dict[str, dict[str, Any]]:
        """The workers of a run's cluster by address, as pid, host and name.

        Raises:
            BackendError: The scheduler does not answer.
        """
        with self._connections.client(place_of(handle)) as client:
            return dict(on_scheduler(client, about_workers))

    def load(self) -> None:
        """Dask, and what the ways to the clusters of this installation need."""
        import distributed  # noqa: F401

        self._provider("operator").load()

    def close(self) -> None:
        """Close the connections to schedulers."""
        self._connections.close()
        for each in list(self._providers.values()):
            each.release()

    def _deaths(self, client: Any, place: Place) -> Deaths:
        """What says why workers of a cluster are gone."""
        from framework_runtime_dask.deaths import Deaths

        return Deaths(client, partial(self._provider(place.provider).of_worker, place))

    def _provider(self, name: str) -> Provider:
        """The provider of a name, one for all of this runtime: it keeps what it has open."""
        if name not in self._providers:
            self._providers.setdefault(name, provider(name, self._home))
        return self._providers[name]

    def _options(self, function: Function) -> DaskOptions:
        """The function's options over the settings ``[runtime.dask]``.

        Raises:
            UsageError: One is unknown, or not of its type.
        """
        given = {**self.context.settings, **function.spec.options}
        return structure(given, DaskOptions, source="spec.options")

    def _cluster(self, function: Function) -> Place:
        """The cluster of a function.

        Raises:
            BackendError: It cannot be had.
        """
        options = self._options(function)
        where = self._provider(options.provider)
        where.validate(function, options)
        return where.ensure(function, options)

    @contextlib.contextmanager
    def _checked(self, options: DaskOptions, place: Place) -> Iterator[Any]:
        """The client of a cluster that can take what has these options.

        Raises:
            BackendError: It does not answer, or has other versions.
            UsageError: No worker of it has what is asked for.
        """
        with self._connections.client(place) as client:
            check_versions(client, place)
            if place.provider != "local":  # whose driver looks itself; others may end a scheduler that is idle
                on_scheduler(client, stay_for_results, _LONGEST)
            if options.resources:
                _check_resources(on_scheduler(client, has_room, options.resources), options, place)
            yield client


def _check_resources(found: dict[str, Any], options: DaskOptions, place: Place) -> None:
    if found["workers"] and not found["fitting"]:
        wanted = ", ".join(f"{name}={much:g}" for name, much in options.resources.items())
        have = ", ".join(found["resources"]) or "none"
        raise UsageError(
            f"options.resources asks for {wanted}, and no worker of {place.address} has that (they have: {have})",
            advice="Start workers with --resources, or ask for less.",
        )
