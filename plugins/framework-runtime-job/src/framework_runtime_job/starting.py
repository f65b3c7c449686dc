"""Starting runs: what is created at the cluster, in its order, and taken back where it does not come to an end."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any, Final

from framework.errors import BackendError, UsageError
from framework.models import Function
from framework.runtimes import Handle
from framework_runtime_job import manifests
from framework_runtime_job.api import Api, Json, Refused
from framework_runtime_job.names import USED, job_name
from framework_runtime_job.observing import place_mark
from framework_runtime_job.options import JobOptions
from framework_runtime_job.places import Place
from framework_runtime_job.preparing import LARGEST
from framework_runtime_job.settings import JobSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework_runtime_job.notes import Notes

_HASH: Final = 16  # hex digits of the archive's digest in its name
_NOTED: Final = 3_600.0  # seconds in which the use of an archive is noted once


def runner_name(digest: str) -> str:
    """The name of the ConfigMap with the archive of a digest."""
    return f"framework-runner-{digest.rpartition(':')[2][:_HASH]}"


def last_used(metadata: Json) -> str:
    """When an archive was last used, as far as that is noted; at first that is when it was made."""
    return str((metadata.get("annotations") or {}).get(USED) or metadata["creationTimestamp"])


class Starter:
    """Creates what runs have at one cluster.

    Args:
        api: The cluster.
        notes: Where this machine notes what it starts.
        settings: The kind's settings.
    """

    def __init__(self, api: Api, notes: Notes, settings: JobSettings) -> None:
        self._api = api
        self._notes = notes
        self._settings = settings

    def handle(self, document: dict[str, Any], function: Function, options: JobOptions) -> Handle:
        """The handle of what a submission is about to become."""
        namespace = options.namespace or self._settings.namespace or self._api.namespace
        life, limits = function.spec.life, document.get("timeouts") or {}
        deadlines = {
            "pending": limits.get("pending", life.timeouts.pending),
            "image_pull": limits.get("image_pull", life.timeouts.image_pull),
        }
        found = {
            "kind": "job",
            "version": 1,
            "context": options.context or self._settings.context,
            "server": self._api.server,
            "namespace": namespace,
            "place": place_mark(self._api, namespace),
            "job": job_name(document["run"]),
            "run": document["run"],
            "token": document["token"],
            "grace": limits.get("grace"),
            "ttl": _time_to_live(life.ttl, options),
            "deadlines": {name: seconds for name, seconds in deadlines.items() if seconds is not None},
        }
        return {name: value for name, value in found.items() if value not in (None, "", {})}

    def runner(self, place: Place, document: dict[str, Any]) -> str:
        """The name of the ConfigMap with the archive, which is created where it is not there."""
        from framework.engine.archive import build, run_sides

        archive = build(run_sides(document))
        name = runner_name(archive.digest)
        found = self._api.find(f"{place.config_maps}/{name}")
        if found is None:
            self._api.create(place.config_maps, manifests.runner(name, archive.data))
        else:
            self._mark_used(place, found["metadata"], archive.data)
        return name

    def _mark_used(self, place: Place, metadata: Json, data: bytes) -> None:
        """Note that an archive is used, where that is not noted yet: it is removed when nobody has used it for long."""
        if self._api.age(last_used(metadata)) < _NOTED:
            return
        name, change = metadata["name"], {"metadata": {"annotations": {USED: self._api.stamp()}}}
        try:
            self._api.patch(f"{place.config_maps}/{name}", change)
        except Refused as error:  # without the right to patch, its age and the Jobs that name it have to do
            if error.status == 404:  # noqa: PLR2004  it was removed at this moment
                self._api.create(place.config_maps, manifests.runner(name, data))

    def again(self, handle: Handle) -> Handle | None:
        """The handle of the same attempt where it was started from here before, and is there; else None."""
        noted = self._notes.find(handle)
        if noted is None or self._api.find(Place(noted).job) is None:
            return None
        return noted

    def start(
        self, record: dict[str, Any], handle: Handle, secrets: Sequence[Json], job: Json, *, is_patched: bool = False
    ) -> Handle:
        """Create Secrets, and the Job that owns them.

        Args:
            record: The run's document, for the note.
            handle: Its handle.
            secrets: The first has the submission, and the name of the Job.
            job: The Job.
            is_patched: Whether somebody has patched it: a field that the cluster does not know is refused then, which
                it would leave out without a word.

        Returns:
            The handle: another's, where somebody else has started the same attempt.

        Raises:
            BackendError: They could not be created; nothing is left behind.
        """
        place = Place(handle)
        self._notes.write(record, handle)
        try:
            made = [self._api.create(place.secrets, secret) for secret in secrets]
            token = _token(made[0])
            if token not in ("", handle["token"]):
                return self._of_another(record, {**handle, "token": token})
            how = {"fieldValidation": "Strict"} if is_patched else {}
            owner = _owned(self._api.create(place.jobs, job, **how))
            for secret in made:
                self._api.patch(f"{place.secrets}/{secret['metadata']['name']}", owner)
        except BaseException:
            self.give_up(handle, [secret["metadata"]["name"] for secret in secrets])
            raise
        return handle

    def _of_another(self, record: dict[str, Any], handle: Handle) -> Handle:
        """The attempt is somebody else's, who may be about to create its Job: nothing of it is changed."""
        self._notes.write(record, handle)
        return handle

    def give_up(self, handle: Handle, secrets: Sequence[str] = ()) -> None:
        """Take back what was created of a run that was not started."""
        place = Place(handle)
        try:
            self._api.delete(place.job, propagationPolicy="Background")
            for name in secrets or [place.name]:
                self._api.delete(f"{place.secrets}/{name}")
        except BackendError:
            return  # the note stays, so that whoever looks next ends and removes it
        self._notes.remove(handle)


def check_size(secret: Json) -> None:
    """Refuse a submission that no Secret takes.

    Raises:
        UsageError: It is too large.
    """
    size = len(secret["stringData"]["submission.json"])
    if size > LARGEST:
        raise UsageError(
            f"the parameters take {size:,} bytes, and a Secret takes {LARGEST:,}",
            advice="Give what is large as an input: -i NAME=PATH.",
        )


def _time_to_live(seconds: float | None, options: JobOptions) -> int | None:
    """Seconds that a Job stays when it is over and collected: the pod of one with ``keep`` is not over before that."""
    if seconds is None:
        return 0 if options.keep else None
    return math.ceil(seconds)


def _owned(job: Json) -> Json:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    return {"metadata": {"ownerReferences": [owner]}}


def _token(secret: Json) -> str:
    """The token of the submission in a Secret as the cluster has it."""
    data = secret.get("data", {}).get("submission.json", "")
    return str(json.loads(base64.b64decode(data))["token"]) if data else ""
