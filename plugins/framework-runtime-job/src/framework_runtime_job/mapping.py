"""Starting a map: one Indexed Job, a pod an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from attrs import define

from framework.errors import UsageError
from framework_runtime_job import items, manifests, parcels
from framework_runtime_job.names import job_name, labels_of
from framework_runtime_job.places import Place
from framework_runtime_job.pods import Sources
from framework_runtime_job.preparing import Prepared, mask, prepare
from framework_runtime_job.starting import Starter, check_size

if TYPE_CHECKING:
    from framework.runtimes import Handle, Submission
    from framework_runtime_job.api import Json
    from framework_runtime_job.notes import Notes
    from framework_runtime_job.settings import JobSettings


@define(kw_only=True)
class Parts:
    """What a map is made of.

    Args:
        prepared: What its items have in common.
        read: That as their runners read it.
        uids: Of the items, by index.
        secrets: What is created with it: what they have in common, and the packets.
        packets: The first index of each.
    """

    prepared: Prepared
    read: dict[str, Any]
    uids: list[str]
    secrets: list[Json]
    packets: tuple[int, ...]

    def job(self, settings: JobSettings, runner: str, parallelism: int) -> Json:
        """The Job, whose pods have the runner of a name."""
        document = self.prepared.document
        sources = Sources(runner, job_name(document["run"]), parcel=self.prepared.sends, items=self.packets)
        shape = manifests.indexed(len(self.uids), parallelism)
        return manifests.job(document, self.prepared.function, self.prepared.options, settings, sources, shape=shape)


def parts(settings: JobSettings, submissions: Sequence[Submission], *, masked: bool = False) -> Parts:
    """What a map is made of; with ``masked`` for people to see.

    The log is kept within limits by each runner, as a detached run's, because there may be more pods than followers.

    Raises:
        UsageError: It cannot be a Job, or the items' parameters are more than pods can be given.
    """
    prepared = prepare(_common(submissions[0]), settings)
    if masked:
        mask(prepared)
    document = prepared.document
    read = manifests.for_pod(document, detached=True, options=prepared.options)
    labels, name = labels_of(document), job_name(document["run"])
    uids: list[str] = []
    packets = items.packets(_noted(submissions, uids))
    secrets = [manifests.secret(read, labels), *(items.secret(name, *each, labels) for each in packets.items())]
    check_size(secrets[0])
    return Parts(prepared=prepared, read=read, uids=uids, secrets=secrets, packets=tuple(packets))


def start(
    starter_of: Callable[[str], Starter],
    notes: Notes,
    settings: JobSettings,
    submissions: Sequence[Submission],
    parallelism: int,
) -> Handle:
    """Start a map; arguments, result and errors as of `framework.runtimes.Runtime.map`."""
    made = parts(settings, submissions)
    prepared, document = made.prepared, made.prepared.document
    if prepared.sends and submissions[0].detached:
        raise UsageError(
            f"{' and '.join(_sent(prepared))} would be sent to each pod when it waits, and nobody is there to do that",
            advice="Leave out --detach, or put it where pods reach it: a volume, the image, a storage such as s3://.",
        )
    starter = starter_of(prepared.options.context)
    handle = {**starter.handle(document, prepared.function, prepared.options), "uids": made.uids}
    job = made.job(settings, starter.runner(Place(handle), made.read), parallelism)
    if prepared.sends:
        handle["parcel"] = parcels.write(notes.parcel(handle), prepared.code, prepared.inputs)
    record, patched = {"metadata": {"uid": document["run"]["uid"]}}, prepared.options.patch is not None
    return starter.start(record, handle, made.secrets, job, is_patched=patched)


def _sent(prepared: Prepared) -> Iterator[str]:
    """What is sent after the map, in words."""
    if prepared.code:
        yield f"the code ({len(prepared.code):,} bytes)"
    for name, path in prepared.inputs.items():
        yield f"the input {name!r} ({path})"


def _common(first: Submission) -> Submission:
    """What the items have in common, as the submission of the run that maps."""
    document: dict[str, Any] = {**first.document, "params": {}}
    document["run"] = {**document["run"], "uid": document["record"]["spec"]["parent"]}
    return attrs.evolve(first, document=document)


def _noted(submissions: Sequence[Submission], uids: list[str]) -> Iterator[Submission]:
    """The submissions, whose uids are noted on the way."""
    for submission in submissions:
        uids.append(submission.uid)
        yield submission
