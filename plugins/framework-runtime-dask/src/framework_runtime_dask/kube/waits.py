"""Saying what a cluster waits for, while its limits of time let it wait: each cause once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from framework_runtime_dask.kube.api import age
from framework_runtime_dask.kube.trouble import trouble

if TYPE_CHECKING:
    from framework_runtime_dask.kube.api import Json

_logger = logging.getLogger(__name__)

_PATIENT: Final = 5.0  # seconds that a pod may wait before it is said


class Waits:
    """What has been said of the clusters of one provider."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def tell(self, title: str, pods: list[Json]) -> None:
        """Say why the pods of a cluster do not begin yet.

        Args:
            title: What people call the cluster.
            pods: Its scheduler's, or its workers'.
        """
        waiting = [pod for pod in pods if age(pod["metadata"]["creationTimestamp"]) > _PATIENT]
        found = trouble(waiting, 0.0, pull=0.0)
        if found and (title, found["cause"]) not in self._told:
            self._told.add((title, found["cause"]))
            _logger.warning("%s waits: %s", title, found["message"])
