"""The kind ``job``: one Kubernetes Job for each attempt, whose pod prints its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from framework.errors import BackendError
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
from framework_run.events import Event
from framework_runtime_job import manifests, parcels
from framework_runtime_job.api import Api, Json, Unreachable
from framework_runtime_job.following import Following
from framework_runtime_job.names import job_name, labels_of
from framework_runtime_job.notes import Notes
from framework_runtime_job.options import JobOptions
from framework_runtime_job.places import Place
from framework_runtime_job.pods import Sources
from framework_runtime_job.preparing import Prepared, mask, prepare
from framework_runtime_job.settings import settings_of
from framework_runtime_job.starting import Starter, check_size, runner_name


class JobRuntime(Runtime):
    """Runs on the cluster that KUBECONFIG names.

    Args:
        context: The folders and settings of this installation.
    """

    def __init__(self, context: RuntimeContext) -> None:
        super().__init__(context)
        self.settings = settings_of(context.settings)
        self._notes = Notes(Path(context.home))
        self._apis: dict[tuple[str, str], Api] = {}
        self._starters: dict[Api, Starter] = {}

    def load(self) -> None:
        """The cluster's client library, which has a thousand modules."""
        import kubernetes.client
        import kubernetes.config  # noqa: F401

    def api(self, context: str = "", server: str = "") -> Api:
        """The cluster of a context, or the one at a server."""
        key = (context or self.settings.context, server)
        if key not in self._apis:
            self._apis[key] = Api(*key)
        return self._apis[key]

    def api_of(self, handle: Handle) -> Api:
        """The cluster that a run was given to."""
        return self.api(handle.get("context", ""), "" if self.settings.context else handle["server"])

    @property
    def defaults(self) -> dict[str, Any]:
        """``[runtime.job.defaults]``."""
        return self.settings.defaults

    def validate(self, function: Function) -> None:
        """Look offline for what cannot be rendered.

        Raises:
            UsageError: There is something; the message names the field.
        """
        manifests.check(function, self.settings)

    def preflight(self, function: Function | None = None) -> list[Finding]:
        """Ask the cluster whether it is there and lets us work; and of a function, whether what it names is there."""
        from framework_runtime_job.preflight import examine

        options = manifests.options_of(function) if function else JobOptions()
        return examine(self.api(options.context), self.settings, function)

    def render(self, submission: Submission) -> Json:
        """What would be created, as a List that ``kubectl apply`` takes.

        Secrets are masked, and the bytes of the runner are left out; so is the namespace where nobody has named one:
        it is that of the context.
        """
        prepared = prepare(submission, self.settings)
        mask(prepared)
        document, function, options = prepared.document, prepared.function, prepared.options
        runner = manifests.runner(runner_name("0" * 64), None)
        labels = labels_of(document)
        read = manifests.for_pod(document, detached=submission.detached, options=options)
        items = [
            runner,
            manifests.secret(read, labels),
            manifests.job(
                document, function, options, self.settings, _sources(document, runner["metadata"]["name"], prepared)
            ),
        ]
        return self._listed(items, options)

    def render_map(self, submissions: Sequence[Submission], parallelism: int) -> Json:
        """As `render`, of a map: the Indexed Job and what its pods read."""
        from framework_runtime_job.mapping import parts

        made = parts(self.settings, submissions, masked=True)
        runner = manifests.runner(runner_name("0" * 64), None)
        job = made.job(self.settings, runner["metadata"]["name"], parallelism)
        return self._listed([runner, *made.secrets, job], made.prepared.options)

    def _listed(self, items: list[Json], options: JobOptions) -> Json:
        namespace = options.namespace or self.settings.namespace
        if namespace:
            for item in items:
                item["metadata"]["namespace"] = namespace
        return {"apiVersion": "v1", "kind": "List", "items": items}

    def submit(self, submission: Submission) -> Handle:
        """Create the run's Secret and Job.

        Raises:
            BackendError: They could not be created; nothing is left behind.
        """
        prepared = prepare(submission, self.settings)
        document, function, options = prepared.document, prepared.function, prepared.options
        read = manifests.for_pod(document, detached=submission.detached, options=options)
        secret = manifests.secret(read, labels_of(document))
        check_size(secret)
        starter = self._starter(options.context)
        handle = starter.handle(document, function, options)
        if again := starter.again(handle):
            return again
        runner = starter.runner(Place(handle), read)
        job = manifests.job(document, function, options, self.settings, _sources(document, runner, prepared))
        if prepared.sends:
            handle["parcel"] = parcels.write(self._notes.parcel(handle), prepared.code, prepared.inputs)
        patched = options.patch is not None
        handle = starter.start(document.get("record") or {}, handle, [secret], job, is_patched=patched)
        if prepared.sends and submission.detached:
            self._send(starter, handle)
        return handle

    def map(self, submissions: Sequence[Submission], parallelism: int) -> Handle:
        """Create an Indexed Job, whose pods each run one item.

        Raises:
            BackendError: It could not be created; nothing is left behind.
            UsageError: The items' parameters are more than pods can be given, or nobody stays to send the rest.
        """
        from framework_runtime_job.mapping import start

        return start(self._starter, self._notes, self.settings, submissions, parallelism)

    def _starter(self, context: str) -> Starter:
        api = self.api(context)
        return self._starters.setdefault(api, Starter(api, self._notes, self.settings))

    def _send(self, starter: Starter, handle: Handle) -> None:
        """Deliver what a run needs that nobody follows."""
        try:
            for _ in Following(self.api_of(handle), handle, {}, self._notes.parcel(handle)).delivered():
                pass
        except BaseException:
            starter.give_up(handle)
            raise

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The runs that were started from here, as they were planned."""
        return self._notes.read()

    def observe(self, handle: Handle) -> Observation:
        """What the pod, the Job and the cluster's events say."""
        from framework_runtime_job.map_observing import observation as of_map
        from framework_runtime_job.observing import observation

        try:
            return (of_map if "uids" in handle else observation)(self.api_of(handle), handle)
        except BackendError:
            return Observation(alive=None)  # no context leads there

    def follow(self, handle: Handle, cursor: Cursor, *, wait: bool = True) -> Iterator[tuple[list[Event], Cursor]]:
        """Batches from the pod's log after ``cursor``."""
        if "uids" in handle:
            from framework_runtime_job.map_following import MapFollowing

            return MapFollowing(self.api_of(handle), handle, cursor, self._notes.parcel(handle)).batches(wait=wait)
        following = Following(self.api_of(handle), handle, cursor, self._notes.parcel(handle))
        return following.live() if wait else following.there()

    def cancel(self, handle: Handle, grace: float) -> None:
        """Ask the runner to end the run; a pod that has not begun is taken away."""
        from framework_runtime_job.ending import cancel, cancel_map

        (cancel_map if "uids" in handle else cancel)(self.api_of(handle), handle, grace)

    def cleanup(self, handle: Handle) -> None:
        """Remove the Job with its pod and its Secret; with a time to live, let the cluster do that when it is over.

        Where the cluster does not answer, the run's note stays, and a later command does it.
        """
        from framework_runtime_job.ending import remove

        try:
            remove(self.api_of(handle), handle)
        except Unreachable:
            return
        self._notes.remove(handle)

    def leftovers(self, state_of: StateOf, handles: Iterable[Handle] = ()) -> list[Leftover]:
        """What no run needs, in the settings' namespace or the context's, and wherever runs have been.

        Raises:
            BackendError: None of the clusters answers.
        """
        from framework_runtime_job.sweeping import sweep

        return sweep(self, handles, state_of)

    def discard(self, leftover: Leftover) -> None:
        """Remove one of them."""
        from framework_runtime_job.sweeping import discard

        discard(self, leftover)


def _sources(document: dict[str, Any], runner: str, prepared: Prepared) -> Sources:
    return Sources(runner, job_name(document["run"]), parcel=prepared.sends)
