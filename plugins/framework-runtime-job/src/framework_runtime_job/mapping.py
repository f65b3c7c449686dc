"""Starting a map: one Indexed Job, a pod an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from framework_runtime_job import items, manifests, parcels
from framework_runtime_job.names import job_name, labels_of
from framework_runtime_job.places import Place
from framework_runtime_job.pods import Sources
from framework_runtime_job.preparing import prepare
from framework_runtime_job.starting import Starter, check_size

if TYPE_CHECKING:
    from framework.runtimes import Handle, Submission
    from framework_runtime_job.notes import Notes
    from framework_runtime_job.settings import JobSettings


def start(
    starter_of: Callable[[str], Starter],
    notes: Notes,
    settings: JobSettings,
    submissions: Sequence[Submission],
    parallelism: int,
) -> Handle:
    """Start a map; arguments, result and errors as of `framework.runtimes.Runtime.map`.

    Its log is kept within limits by each runner, as a detached run's, because there may be more pods than followers.
    """
    common = _common(submissions[0])
    prepared = prepare(common, settings)
    document, function, options = prepared.document, prepared.function, prepared.options
    read = manifests.for_pod(document, detached=True, options=options)
    labels, name = labels_of(document), job_name(document["run"])
    uids: list[str] = []
    packets = items.packets(_noted(submissions, uids))
    secrets = [manifests.secret(read, labels), *(items.secret(name, *each, labels) for each in packets.items())]
    check_size(secrets[0])
    starter = starter_of(options.context)
    handle = {**starter.handle(document, function, options), "uids": uids}
    runner = starter.runner(Place(handle), read)
    sources = Sources(runner, name, parcel=prepared.sends, items=tuple(packets))
    shape = manifests.indexed(len(submissions), parallelism)
    job = manifests.job(document, function, options, settings, sources, shape=shape)
    if prepared.sends:
        handle["parcel"] = parcels.write(notes.parcel(handle), prepared.code, prepared.inputs)
    return starter.start({"metadata": {"uid": document["run"]["uid"]}}, handle, secrets, job)


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
