"""The kind ``job``: one Kubernetes Job for each attempt, whose pod prints its events."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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
from framework_run.events import Event
from framework_runtime_job import manifests, parcels
from framework_runtime_job.api import Api, Json, Unreachable
from framework_runtime_job.following import Following
from framework_runtime_job.names import job_name, labels_of
from framework_runtime_job.notes import Notes
from framework_runtime_job.options import JobOptions
from framework_runtime_job.places import Place
from framework_runtime_job.pods import Sources
from framework_runtime_job.preparing import LARGEST, Prepared, prepare
from framework_runtime_job.settings import settings_of

_HASH: Final = 16  # hex digits of the archive's digest in its name


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
        self._runners: set[tuple[str, str]] = set()  # namespaces and names of the archives that are there

    def api(self, context: str = "", server: str = "") -> Api:
        """The cluster of a context, or the one at a server."""
        key = (context or self.settings.context, server)
        if key not in self._apis:
            self._apis[key] = Api(*key)
        return self._apis[key]

    def api_of(self, handle: Handle) -> Api:
        """The cluster that a run was given to."""
        return self.api(handle.get("context", ""), "" if self.settings.context else handle["server"])

    def validate(self, function: Function) -> None:
        """Look offline for what cannot be rendered.

        Raises:
            UsageError: There is something; the message names the field.
        """
        manifests.check(manifests.effective(function, self.settings), self.settings)

    def preflight(self, function: Function | None = None) -> list[Finding]:
        """Ask the cluster whether it is there and lets us work; and of a function, whether what it names is there."""
        from framework_runtime_job.preflight import examine

        options = manifests.options_of(manifests.effective(function, self.settings)) if function else JobOptions()
        return examine(self.api(options.context), self.settings, function)

    def render(self, submission: Submission) -> Json:
        """What would be created, as a List that ``kubectl apply`` takes.

        Secrets are masked, and the bytes of the runner are left out; so is the namespace where nobody has named one:
        it is that of the context.
        """
        prepared = prepare(submission, self.settings)
        document, function, options = prepared.document, prepared.function, prepared.options
        secret = function.spec.environment.secrets
        document["env"] = {name: "***" if name in secret else value for name, value in document["env"].items()}
        runner = manifests.runner(f"framework-runner-{'0' * _HASH}", None)
        labels = labels_of(document)
        read = manifests.for_pod(document, detached=submission.detached, options=options)
        items = [
            runner,
            manifests.secret(read, labels),
            manifests.job(
                document, function, options, self.settings, _sources(document, runner["metadata"]["name"], prepared)
            ),
        ]
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
        _check_size(secret)
        api = self.api(options.context)
        handle = self._handle(api, document, function, options)
        place = Place(handle)
        runner = self._runner(api, place, read)
        job = manifests.job(document, function, options, self.settings, _sources(document, runner, prepared))
        if prepared.sends:
            handle["parcel"] = parcels.write(self._notes.parcel(handle), prepared.code, prepared.inputs)
        self._notes.write(document.get("record") or {}, handle)
        try:
            made = api.create(place.secrets, secret)
            created = api.create(place.jobs, job)
            api.patch(f"{place.secrets}/{made['metadata']['name']}", _owned(created))
            if prepared.sends and submission.detached:
                self._send(api, handle)
        except BaseException:
            self._give_up(api, place, handle)
            raise
        return handle

    def _send(self, api: Api, handle: Handle) -> None:
        """Deliver what a run needs that nobody follows."""
        for _ in Following(api, handle, {}, self._notes.parcel(handle)).delivered():
            pass

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The runs that were started from here, as they were planned."""
        return self._notes.read()

    def observe(self, handle: Handle) -> Observation:
        """What the pod, the Job and the cluster's events say."""
        from framework_runtime_job.observing import observation

        try:
            return observation(self.api_of(handle), handle)
        except BackendError:
            return Observation(alive=None)  # no context leads there

    def follow(self, handle: Handle, cursor: Cursor, *, wait: bool = True) -> Iterator[tuple[list[Event], Cursor]]:
        """Batches from the pod's log after ``cursor``."""
        following = Following(self.api_of(handle), handle, cursor, self._notes.parcel(handle))
        return following.live() if wait else following.there()

    def cancel(self, handle: Handle, grace: float) -> None:
        """Ask the runner to end the run; a pod that has not begun is taken away."""
        from framework_runtime_job.ending import cancel

        cancel(self.api_of(handle), handle, grace)

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

    def leftovers(self, state_of: StateOf) -> list[Leftover]:
        """Jobs, Secrets and archives that no run needs, in the settings' namespace or the context's."""
        from framework_runtime_job.leftovers import leftovers

        api = self.api()
        return leftovers(api, self.settings.namespace or api.namespace, state_of)

    def discard(self, leftover: Leftover) -> None:
        """Remove one of them."""
        from framework_runtime_job.leftovers import discard

        discard(self.api(), leftover)

    # Submitting

    def _handle(self, api: Api, document: dict[str, Any], function: Function, options: JobOptions) -> Handle:
        from framework_runtime_job.observing import place_mark

        namespace = options.namespace or self.settings.namespace or api.namespace
        life, limits = function.spec.life, document.get("timeouts") or {}
        deadlines = {
            "pending": limits.get("pending", life.timeouts.pending),
            "image_pull": limits.get("image_pull", life.timeouts.image_pull),
        }
        found = {
            "kind": "job",
            "version": 1,
            "context": options.context or self.settings.context,
            "server": api.server,
            "namespace": namespace,
            "place": place_mark(api, namespace),
            "job": job_name(document["run"]),
            "run": document["run"],
            "token": document["token"],
            "grace": limits.get("grace"),
            "ttl": _time_to_live(life.ttl, options),
            "deadlines": {name: seconds for name, seconds in deadlines.items() if seconds is not None},
        }
        return {name: value for name, value in found.items() if value not in (None, "", {})}

    def _runner(self, api: Api, place: Place, document: dict[str, Any]) -> str:
        """The name of the ConfigMap with the archive, which is created where it is not there."""
        from framework.engine.archive import build, run_sides

        archive = build(run_sides(document))
        name = f"framework-runner-{archive.digest.partition(':')[2][:_HASH]}"
        if (place.config_maps, name) not in self._runners:
            if api.find(f"{place.config_maps}/{name}") is None:
                api.create(place.config_maps, manifests.runner(name, archive.data))
            self._runners.add((place.config_maps, name))
        return name

    def _give_up(self, api: Api, place: Place, handle: Handle) -> None:
        """Take back what was created of a run that was not started."""
        try:
            api.delete(place.job, propagationPolicy="Background")
            api.delete(place.secret)
        except BackendError:
            return  # the note stays, so that whoever looks next ends and removes it
        self._notes.remove(handle)


def _time_to_live(seconds: float | None, options: JobOptions) -> int | None:
    """Seconds that a Job stays when it is over and collected: the pod of one with ``keep`` is not over before that."""
    if seconds is None:
        return 0 if options.keep else None
    return math.ceil(seconds)


def _owned(job: Json) -> Json:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    return {"metadata": {"ownerReferences": [owner]}}


def _check_size(secret: Json) -> None:
    size = len(secret["stringData"]["submission.json"])
    if size > LARGEST:
        raise UsageError(
            f"the parameters take {size:,} bytes, and a Secret takes {LARGEST:,}",
            advice="Give what is large as an input: -i NAME=PATH.",
        )


def _sources(document: dict[str, Any], runner: str, prepared: Prepared) -> Sources:
    return Sources(runner, job_name(document["run"]), parcel=prepared.sends)
