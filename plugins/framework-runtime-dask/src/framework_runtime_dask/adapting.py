"""How a local cluster follows the work: it closes workers of its own, and none that somebody has added by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from distributed import Adaptive, SchedulerPlugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import LocalCluster

_NAME: Final = "framework-own-workers"


class OwnWorkers(SchedulerPlugin):
    """Says which workers may be closed when there are too many.

    Args:
        cluster: The cluster whose own they are.
    """

    name = _NAME

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def valid_workers_downscaling(self, scheduler: Any, workers: Sequence[Any]) -> list[Any]:  # noqa: ARG002  the interface's
        """Those of the cluster; Dask itself would take any that its scheduler knows."""
        return [worker for worker in workers if worker.name in self._cluster.workers]


class AdaptiveToOwn(Adaptive):
    """Dask's rule, where what others have added does its part and is not ours to close."""

    async def target(self) -> int:
        """How many workers of the cluster's own there should be."""
        cluster: Any = self.cluster
        every: int = await super().target()  # type: ignore[no-untyped-call]
        return max(every - len(cluster.observed - set(cluster.workers)), 0)

    async def workers_to_close(self, target: int) -> list[str]:
        """The names of those that are too many."""
        cluster: Any = self.cluster
        many = max(len(cluster.workers) - target, 0)
        found: list[str] = await self.scheduler.workers_to_close(n=many, attribute="name") if many else []
        return found


def adapt(cluster: LocalCluster, least: int, most: int) -> None:
    """Have the number of a cluster's workers follow the work.

    Args:
        cluster: The cluster.
        least: The least number of workers.
        most: The greatest.
    """
    if cluster.scheduler is not None:
        cluster.scheduler.add_plugin(OwnWorkers(cluster), name=_NAME)
    cluster.adapt(Adaptive=AdaptiveToOwn, minimum=least, maximum=most)
