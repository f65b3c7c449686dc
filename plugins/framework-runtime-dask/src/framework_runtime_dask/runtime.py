"""The kind ``dask``: a run is a task whose result the scheduler keeps, and whose events come by a topic."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from framework.documents.converters import structure
from framework.errors import BackendError, UsageError
from framework.models import Function
from framework.pods import parts
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
from framework_runtime_dask.clients import (
    about_workers,
    forget_topic,
    has_room,
    keep,
    on_scheduler,
    release,
    stay_for_results,
)
from framework_runtime_dask.connections import Connections
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.provider import NotStartedError, Place, Provider, UnreachableError
from framework_runtime_dask.providers import provider
from framework_runtime_dask.records import Records
from framework_runtime_dask.scale import check_numbers, check_times, seconds
from framework_runtime_dask.versions import check_versions

if TYPE_CHECKING:
    from framework_runtime_dask.deaths import Deaths

_BATCH: Final = 500  # tasks that are given to the scheduler at once
_CLIENT: Final = "framework_run.plugins.framework_runtime_dask.client:connect"
_LONGEST: Final = 7 * 86_400.0  # seconds that results wait for whoever collects them
_UNSTARTED: Final = "unstarted"  # in a handle: the end of a run whose cluster does not come up
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
        try:
            place = self._cluster(submission.function)
        except NotStartedError as error:
            return _unstarted(submission.document["run"], error.end)
        with self._checked(submission.function, place) as client:
            return self._submit(client, place, submission)

    def _submit(self, client: Any, place: Place, submission: Submission) -> Handle:
        from framework_runtime_dask import seed, sending, shipping

        options = self._options(submission.function)
        bundle = shipping.bundle(submission)
        client.register_plugin(bundle, name=bundle.name)
        if options.driver == "client":
            return self._submit_here(submission, place)
        handle = self._handle(submission.document["run"], place, bundle.name, 1, options)
        topic = handle["topic"]
        document = self._prepared(submission, place)
        parcel = sending.parcel(client, submission, place, document["here"])
        record = submission.document.get("record")
        self._records.write(submission.uid, [record] if record else [], handle)
        try:
            future = client.submit(
                seed.run_single,
                bundle.name,
                topic,
                json.dumps(document),
                sending.carried(client, topic, parcel),
                key=f"{topic}-0",
                pure=False,
                resources=options.resources or None,
            )
            _keep(client, place, topic, [f"{topic}-0"])
            del future
        except OSError as error:
            self._records.remove(submission.uid)
            raise _broken(place, error) from error
        except BaseException:
            self._records.remove(submission.uid)
            raise
        return handle

    def map(self, submissions: Sequence[Submission], parallelism: int) -> Handle:
        """Start a task for each, some hundred at a time; the scheduler keeps their results.

        Raises:
            BackendError: As of `submit`.
        """
        first = submissions[0]
        if self._options(first.function).driver == "client":
            raise UsageError(
                "options.driver is 'client', and the items of a map run on the workers",
                advice="Leave it out for this run: -o driver=worker",
            )
        parent = first.document["record"]["spec"]["parent"]
        try:
            place = self._cluster(first.function)
        except NotStartedError as error:
            return _unstarted({**first.document["run"], "uid": parent}, error.end)
        with self._checked(first.function, place) as client:
            return self._map(client, place, submissions, parallelism)

    def _map(self, client: Any, place: Place, submissions: Sequence[Submission], parallelism: int) -> Handle:
        from framework_runtime_dask import sending, shipping

        first = submissions[0]
        parent = first.document["record"]["spec"]["parent"]
        bundle = shipping.bundle(first)
        client.register_plugin(bundle, name=bundle.name)
        options, run = self._options(first.function), {**first.document["run"], "uid": parent}
        handle = self._handle(run, place, bundle.name, len(submissions), options)
        handle["uids"] = [submission.uid for submission in submissions]
        self._records.write(parent, [{"metadata": {"uid": parent}}], handle)  # whose client may die meanwhile
        try:
            common = self._common(first, place, parent)
            parcel = sending.carried(client, handle["topic"], sending.parcel(client, first, place, common["here"]))
            client.set_metadata(["framework", handle["topic"]], {"common": json.dumps(common)})
            self._give_out(client, handle, submissions, parcel, parallelism)
        except OSError as error:
            self._take_back(client, handle)
            raise _broken(place, error) from error
        except BaseException:
            self._take_back(client, handle)
            raise
        return handle

    def _take_back(self, client: Any, handle: Handle) -> None:
        """End and forget what nobody will have a handle of."""
        with contextlib.suppress(BackendError, OSError):
            self.cancel(handle, 0.0)
            self._forget(client, handle)
        self._records.remove(handle["run"]["uid"])

    def _give_out(
        self, client: Any, handle: Handle, submissions: Sequence[Submission], parcel: Any, parallelism: int
    ) -> None:
        """Give the items of a map to the scheduler, and have it keep what they give."""
        from framework_runtime_dask import seed
        from framework_runtime_dask.holding import hold

        topic, place = handle["topic"], _place(handle)
        limit = parallelism if parallelism < len(submissions) else 0
        for start in range(0, len(submissions), _BATCH):
            texts = []
            for submission in submissions[start : start + _BATCH]:
                own = {name: submission.document[name] for name in ("run", "params")}
                texts.append(json.dumps(own, separators=(",", ":")))
            indexes = range(start, start + len(texts))
            options = {"bundle": handle["bundle"], "limit": limit, "resources": handle["resources"] or None}
            if limit:
                options["parcel"] = getattr(parcel, "key", "")
                missing = on_scheduler(
                    client, hold, topic, seed.run_item, options, list(zip(indexes, texts, strict=True))
                )
                if missing:
                    raise _not_taken(place)
                continue
            keys = [f"{topic}-{index}" for index in indexes]
            futures = client.map(
                seed.run_item, indexes, texts, key=keys, pure=False, topic=topic, parcel=parcel, **options
            )
            _keep(client, place, topic, keys)
            del futures

    def _submit_here(self, submission: Submission, place: Place) -> Handle:
        """Start a run whose handler is a process of this machine."""
        from framework_runtime_dask.driving import submit_here

        where = self._provider(place.provider)
        address = where.reach(place) if where.is_steady(place) else ""
        return submit_here(self._home, submission, place, _topic(submission.document["run"]), address)

    def _common(self, submission: Submission, place: Place, parent: str) -> dict[str, Any]:
        """What all items have in common."""
        document = self._prepared(submission, place)
        return {**document, "run": {**document["run"], "uid": parent}, "params": {}}

    def _prepared(self, submission: Submission, place: Place) -> dict[str, Any]:
        """The submission as the workers get it."""
        from framework_runtime_dask import sending, shipping

        document = shipping.without_code(submission.document)
        document.pop("record", None)
        if place.provider == "operator":  # its pods have been given these
            document["secrets"] = parts.given(document.get("secrets") or {})
        document["extensions"] = {"dask_client": _CLIENT}
        document["here"] = sending.here(submission, place, os.getcwd())  # noqa: PTH109  relative paths mean the same
        return document

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The runs that were started from here and not cleaned up yet."""
        return self._records.all()

    def observe(self, handle: Handle) -> Observation:
        """What the scheduler says of the run; that it is gone, where that is certain."""
        from framework_runtime_dask.observing import observation

        if end := self._ended(handle):
            return Observation(alive=False, end=end)
        place = _place(handle)
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
            place = _place(handle)
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

        if _UNSTARTED in handle:
            return
        try:
            with self._connections.client(_place(handle)) as client:
                cancel(client, handle, grace)
        except OSError as error:
            raise _broken(_place(handle), error) from error

    def cleanup(self, handle: Handle) -> None:
        """Have the scheduler forget the run."""
        try:
            if not self._ended(handle):
                with self._connections.client(_place(handle), timeout=_GLANCE) as client:
                    self._forget(client, handle)
        except (UnreachableError, OSError):
            pass  # what it kept is gone with it
        self._records.remove(handle["run"]["uid"])

    def _forget(self, client: Any, handle: Handle) -> None:
        from framework_runtime_dask import seed
        from framework_runtime_dask.holding import forget_held
        from framework_runtime_dask.turns import close_turns

        on_scheduler(client, release, handle["topic"], [])
        if "uids" in handle:
            on_scheduler(client, forget_held, handle["topic"])
            on_scheduler(client, close_turns, handle["topic"])
            client.run(seed.close_map, handle["bundle"], handle["topic"], on_error="ignore")
        on_scheduler(client, forget_topic, handle["topic"])

    def _ended(self, handle: Handle) -> ends.Ending | None:
        """The end of a run whose cluster is gone, where that is known without a look at the network."""
        if _UNSTARTED in handle:
            end: ends.Ending = handle[_UNSTARTED]
            return end
        place = _place(handle)
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
        with self._connections.client(_place(handle)) as client:
            return dict(on_scheduler(client, about_workers))

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
    def _checked(self, function: Function, place: Place) -> Iterator[Any]:
        """The client of a cluster that can take a function.

        Raises:
            BackendError: It does not answer, or has other versions.
            UsageError: No worker of it has what is asked for.
        """
        options = self._options(function)
        with self._connections.client(place) as client:
            check_versions(client, place)
            if place.provider != "local":  # whose driver looks itself; others may end a scheduler that is idle
                on_scheduler(client, stay_for_results, _LONGEST)
            if options.resources:
                _check_resources(on_scheduler(client, has_room, options.resources), options, place)
            yield client

    def _handle(self, run: dict[str, Any], place: Place, bundle: str, count: int, options: DaskOptions) -> Handle:
        return {
            "kind": "dask",
            "version": 1,
            "run": run,
            "place": attrs.asdict(place),
            "topic": _topic(run),
            "bundle": bundle,
            "count": count,
            "patience": seconds(options.no_workers_timeout),
            "resources": options.resources,
        }


def _topic(run: Mapping[str, Any]) -> str:
    """What an attempt of a run is called at the scheduler."""
    return f"framework-{run['uid']}-{run.get('attempt', 1)}"


def _unstarted(run: dict[str, Any], end: Mapping[str, Any]) -> Handle:
    """The handle of a run whose cluster does not come up: all that is known of it is its end."""
    return {"kind": "dask", "version": 1, "run": run, _UNSTARTED: dict(end)}


def _place(handle: Handle) -> Place:
    return Place(**handle["place"])


def _broken(place: Place, error: OSError) -> UnreachableError:
    """The error for a connection that broke on the way."""
    return UnreachableError(
        f"the scheduler {place.address} does not answer any more: {type(error).__name__}",
        refused=False,
        advice="Look whether it is there: framework dask cluster list",
    )


def _keep(client: Any, place: Place, topic: str, keys: list[str]) -> None:
    if on_scheduler(client, keep, topic, keys):
        raise _not_taken(place)


def _not_taken(place: Place) -> BackendError:
    return BackendError(f"the scheduler {place.address} did not take the run", advice="Look at its log.")


def _check_resources(found: dict[str, Any], options: DaskOptions, place: Place) -> None:
    if found["workers"] and not found["fitting"]:
        wanted = ", ".join(f"{name}={much:g}" for name, much in options.resources.items())
        have = ", ".join(found["resources"]) or "none"
        raise UsageError(
            f"options.resources asks for {wanted}, and no worker of {place.address} has that (they have: {have})",
            advice="Start workers with --resources, or ask for less.",
        )
