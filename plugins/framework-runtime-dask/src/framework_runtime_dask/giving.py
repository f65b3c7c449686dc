"""Giving runs and maps to a scheduler, which keeps their results when this process ends."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from framework.errors import BackendError
from framework.pods import parts
from framework_runtime_dask import seed, sending, shipping
from framework_runtime_dask.cancelling import cancel, forget
from framework_runtime_dask.clients import keep, on_scheduler
from framework_runtime_dask.connections import broken
from framework_runtime_dask.driving import submit_here
from framework_runtime_dask.handles import handle_of, topic_of_run
from framework_runtime_dask.holding import hold

if TYPE_CHECKING:
    from pathlib import Path

    from framework.runtimes import Handle, Submission
    from framework_runtime_dask.options import DaskOptions
    from framework_runtime_dask.provider import Place, Provider
    from framework_runtime_dask.records import Records

_BATCH: Final = 500  # tasks that are given to the scheduler at once
_CLIENT: Final = "framework_run.plugins.framework_runtime_dask.client:connect"


class Giver:
    """Gives runs and maps to the scheduler of a cluster.

    Args:
        client: The client of the scheduler.
        place: The cluster.
        options: The function's.
        records: What this machine remembers of its runs.
    """

    def __init__(self, client: Any, place: Place, options: DaskOptions, records: Records) -> None:
        self._client = client
        self._place = place
        self._options = options
        self._records = records

    def run(self, submission: Submission) -> Handle:
        """Start the task of a run.

        Raises:
            BackendError: The scheduler does not take it.
        """
        handle = handle_of(submission.document["run"], self._place, self._bundle(submission), 1, self._options)
        topic = handle["topic"]
        document = self._prepared(submission)
        parcel = sending.parcel(self._client, submission, self._place, document["here"])
        record = submission.document.get("record")
        self._records.write(submission.uid, [record] if record else [], handle)
        try:
            future = self._client.submit(
                seed.run_single,
                handle["bundle"],
                topic,
                json.dumps(document),
                sending.carried(self._client, topic, parcel),
                key=f"{topic}-0",
                pure=False,
                resources=self._options.resources or None,
            )
            self._keep(topic, [f"{topic}-0"])
            del future
        except OSError as error:
            self._records.remove(submission.uid)
            raise broken(self._place, error) from error
        except BaseException:
            self._records.remove(submission.uid)
            raise
        return handle

    def run_here(self, submission: Submission, home: Path, provider: Provider) -> Handle:
        """Start a run whose handler is a process of this machine.

        Args:
            submission: The run.
            home: FRAMEWORK_HOME.
            provider: Of the cluster.

        Returns:
            A handle of the kind ``local``.

        Raises:
            BackendError: It could not be started.
        """
        self._bundle(submission)
        address = provider.reach(self._place) if provider.is_steady(self._place) else ""
        return submit_here(home, submission, self._place, topic_of_run(submission.document["run"]), address)

    def map(self, submissions: Sequence[Submission], parallelism: int) -> Handle:
        """Start a task for each item, some hundred at a time.

        Args:
            submissions: The items.
            parallelism: How many may run at once.

        Raises:
            BackendError: The scheduler does not take them.
        """
        first = submissions[0]
        parent = first.document["record"]["spec"]["parent"]
        run = {**first.document["run"], "uid": parent}
        handle = handle_of(run, self._place, self._bundle(first), len(submissions), self._options)
        handle["uids"] = [submission.uid for submission in submissions]
        self._records.write(parent, [{"metadata": {"uid": parent}}], handle)  # whose client may die meanwhile
        try:
            document = self._prepared(first)
            common = {**document, "run": {**document["run"], "uid": parent}, "params": {}}
            parcel = sending.parcel(self._client, first, self._place, common["here"])
            carried = sending.carried(self._client, handle["topic"], parcel)
            self._client.set_metadata(["framework", handle["topic"]], {"common": json.dumps(common)})
            self._give_items(handle, submissions, carried, parallelism)
        except OSError as error:
            self._take_back(handle)
            raise broken(self._place, error) from error
        except BaseException:
            self._take_back(handle)
            raise
        return handle

    def _give_items(self, handle: Handle, submissions: Sequence[Submission], parcel: Any, parallelism: int) -> None:
        """Give the items of a map to the scheduler, and have it keep what they give."""
        limit = parallelism if parallelism < len(submissions) else 0
        shared = {"bundle": handle["bundle"], "limit": limit, "resources": handle["resources"] or None}
        for start in range(0, len(submissions), _BATCH):
            items = list(enumerate(map(_own, submissions[start : start + _BATCH]), start))
            if limit:
                self._hold(handle["topic"], items, {**shared, "parcel": getattr(parcel, "key", "")})
            else:
                self._give(handle["topic"], items, {**shared, "parcel": parcel})

    def _hold(self, topic: str, items: list[tuple[int, str]], options: dict[str, Any]) -> None:
        """Have the scheduler hold items until they may run."""
        if on_scheduler(self._client, hold, topic, seed.run_item, options, items):
            raise _not_taken(self._place)

    def _give(self, topic: str, items: list[tuple[int, str]], options: dict[str, Any]) -> None:
        """Make items tasks."""
        keys = [f"{topic}-{index}" for index, _ in items]
        indexes, texts = zip(*items, strict=True)
        futures = self._client.map(seed.run_item, indexes, texts, key=keys, pure=False, topic=topic, **options)
        self._keep(topic, keys)
        del futures

    def _keep(self, topic: str, keys: list[str]) -> None:
        if on_scheduler(self._client, keep, topic, keys):
            raise _not_taken(self._place)

    def _take_back(self, handle: Handle) -> None:
        """End and forget what nobody will have a handle of."""
        with contextlib.suppress(BackendError, OSError):
            cancel(self._client, handle, 0.0)
            forget(self._client, handle)
        self._records.remove(handle["run"]["uid"])

    def _bundle(self, submission: Submission) -> str:
        """The name of a run's code, which the workers have from now on."""
        bundle = shipping.bundle(submission)
        self._client.register_plugin(bundle, name=bundle.name)
        return bundle.name

    def _prepared(self, submission: Submission) -> dict[str, Any]:
        """The submission as the workers get it."""
        document = shipping.without_code(submission.document)
        document.pop("record", None)
        if self._place.provider == "operator":  # its pods have been given these
            document["secrets"] = parts.given(document.get("secrets") or {})
        document["extensions"] = {"dask_client": _CLIENT}
        document["here"] = sending.here(submission, self._place, os.getcwd())  # noqa: PTH109  relative paths mean the same
        return document


def _own(submission: Submission) -> str:
    """What an item has that the others have not."""
    own = {name: submission.document[name] for name in ("run", "params")}
    return json.dumps(own, separators=(",", ":"))


def _not_taken(place: Place) -> BackendError:
    return BackendError(f"the scheduler {place.address} did not take the run", advice="Look at its log.")
