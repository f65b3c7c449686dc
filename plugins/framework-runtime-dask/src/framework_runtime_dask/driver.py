"""The driver of a local cluster: a process of its own, so that the cluster outlives every client.

python -m framework_runtime_dask.driver FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import dask
from dask.utils import parse_timedelta
from distributed import LocalCluster

from framework_run import locks
from framework_runtime_dask import security
from framework_runtime_dask.adapting import adapt
from framework_runtime_dask.providers.local import WANTED

_LOOK: Final = 0.5  # seconds between two looks at whether there is work
_ARRIVAL: Final = 10.0  # seconds for a run to come when its cluster was asked for
_LONGEST: Final = 7 * 86_400.0  # seconds that results wait for whoever collects them


def main(folder: Path) -> int:
    """Start the cluster that ``spec.json`` in the folder describes, and end when it has been idle for long enough.

    Returns:
        The exit status.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    lock = locks.hold(str(folder / "lock"))
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    dask.config.set(_config(spec))
    secure, paths = security.of_cluster(spec["security"], folder)
    with _cluster(spec, folder, secure) as cluster:
        about = {
            "address": cluster.scheduler_address,
            "pid": os.getpid(),
            "dashboard": _dashboard(spec, cluster),
            "security": paths,
        }
        idle = parse_timedelta(spec["idle_timeout"])
        while True:
            _publish(folder, about)
            _wait(cluster, folder, stop, idle)
            (folder / "cluster.json").unlink(missing_ok=True)
            if stop.is_set() or not _is_wanted(folder):  # else by one that has found it before that
                break
    if spec["security"]["temporary"]:
        for path in paths.values():
            Path(path).unlink(missing_ok=True)
    os.close(lock)
    return 0


def _publish(folder: Path, about: dict[str, Any]) -> None:
    """Let the cluster be found."""
    part = folder / "cluster.part"
    part.write_text(json.dumps(about), encoding="utf-8")
    part.replace(folder / "cluster.json")


def _is_wanted(folder: Path) -> bool:
    """Whether somebody has asked for the cluster in the last seconds: a run of theirs is on its way."""
    try:
        return time.time() - (folder / WANTED).stat().st_mtime < _ARRIVAL
    except OSError:
        return False


def _config(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "distributed.scheduler.no-workers-timeout": spec["no_workers_timeout"],
        "distributed.worker.daemon": False,
        "distributed.adaptive.interval": spec["adaptive"]["interval"],
        "distributed.adaptive.wait-count": spec["adaptive"]["wait_count"],
        "distributed.adaptive.target-duration": spec["adaptive"]["target_duration"],
    }


def _cluster(spec: dict[str, Any], folder: Path, secure: Any) -> LocalCluster:
    cluster = LocalCluster(
        n_workers=spec["min"],
        threads_per_worker=spec["threads"],
        processes=True,
        memory_limit=spec["memory"] or "auto",
        dashboard_address=spec["dashboard"] or None,
        # Its scheduler opens a port for HTTP all the same: one that nobody else wants, on this machine alone.
        scheduler_kwargs={} if spec["dashboard"] else {"dashboard_address": "127.0.0.1:0"},
        resources=spec["resources"] or None,
        env=spec["env"] or None,
        local_directory=str(folder / "workers"),
        death_timeout=parse_timedelta(spec["death_timeout"]),
        silence_logs=False,
        **({"protocol": "tls://", "security": secure} if secure else {}),
    )
    if spec["max"] > spec["min"]:
        adapt(cluster, spec["min"], spec["max"])
    return cluster


def _dashboard(spec: dict[str, Any], cluster: LocalCluster) -> str:
    return str(cluster.dashboard_link) if spec["dashboard"] else ""


def _wait(cluster: LocalCluster, folder: Path, stop: threading.Event, idle: float) -> None:
    """Wait until somebody asks for the end, or there has been neither work nor a result to be collected for a while."""
    busy_at = begun = time.monotonic()
    while not stop.wait(_LOOK):
        now = time.monotonic()
        if not folder.is_dir():
            return  # whoever removed its home does not want it any more
        tasks = cluster.scheduler.tasks if cluster.scheduler is not None else {}
        held = tasks and now - begun < _LONGEST
        if held or handlers_of(cluster.scheduler) or _is_wanted(folder):
            busy_at = now
        elif not tasks:
            begun = now
        if now - busy_at > idle:
            return


def handlers_of(scheduler: Any) -> set[str]:
    """The clients of handlers that run beside the workers (`framework_runtime_dask.runside.here`)."""
    if scheduler is None:
        return set()
    return set(scheduler.task_metadata.get("framework-here", {})) & set(scheduler.clients)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
