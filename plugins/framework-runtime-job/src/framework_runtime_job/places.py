"""Where a handle's objects are in the API."""

from __future__ import annotations

from collections.abc import Sequence

from framework.runtimes import Handle
from framework_runtime_job.api import Json
from framework_runtime_job.names import ATTEMPT, INDEX, RUN


class Place:
    """The paths of one attempt's objects, or of those of one item of a map.

    Args:
        handle: The run's handle; with an ``index`` it is that of an item.
    """

    def __init__(self, handle: Handle) -> None:
        base = f"namespaces/{handle['namespace']}"
        self.name = str(handle["job"])
        self.jobs = f"/apis/batch/v1/{base}/jobs"
        self.job = f"{self.jobs}/{self.name}"
        self.pods = f"/api/v1/{base}/pods"
        self.secrets = f"/api/v1/{base}/secrets"
        self.secret = f"{self.secrets}/{self.name}"
        self.config_maps = f"/api/v1/{base}/configmaps"
        self.events = f"/api/v1/{base}/events"
        run = handle["run"]
        self.selector = f"{RUN}={run['uid']},{ATTEMPT}={run.get('attempt', 1)}"
        if "index" in handle:
            self.selector += f",{INDEX}={handle['index']}"

    def pod_of(self, pods: Sequence[Json]) -> Json | None:
        """The attempt's pod: the first, should the cluster ever have started a second."""
        ours = sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))
        return ours[0] if ours else None
