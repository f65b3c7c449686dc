"""The provider ``local``: a cluster on this machine, in a driver process of its own, so that any client may go."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from framework.errors import BackendError, UsageError
from framework_run import locks
from framework_runtime_dask import security
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.provider import Place, Provider
from framework_runtime_dask.scale import check_cluster, check_dashboard, check_memory, cluster_name, is_told, workers

if TYPE_CHECKING:
    from framework.models import Function

WANTED: Final = "wanted"
"""In a cluster's folder, the file that was written last when somebody last asked for the cluster."""
_PATIENCE: Final = 120.0  # seconds for a cluster to start
_LOOK: Final = 0.05  # seconds between two looks
_OF_A_RUN: Final = ("no_workers_timeout",)  # which holds for each run as it says
_CLOSING: Final = 20.0  # seconds for a cluster to end


class LocalProvider(Provider):
    """Clusters of this machine, each with a folder in FRAMEWORK_HOME."""

    def validate(self, function: Function, options: DaskOptions) -> None:
        """Check what a cluster of this machine cannot be.

        Raises:
            UsageError: An option is another provider's, the scale or the memory does not fit, or a library is missing.
        """
        from importlib.util import find_spec

        if options.address:
            raise UsageError(
                f"options.address is {options.address!r}, and the provider 'local' starts a scheduler of its own",
                advice="Add -o provider=address",
            )
        if options.dashboard:
            check_dashboard(options.dashboard)
        if options.dashboard and find_spec("bokeh") is None:
            raise UsageError(
                f"options.dashboard is {options.dashboard!r}, and the library bokeh, which draws it, is not installed",
                advice="pip install 'framework-runtime-dask[dashboard]'",
            )
        check_cluster(cluster_name(function, options))
        workers(function)
        check_memory(options.memory)
        security.check(options.security, "local")

    def render(self, function: Function, options: DaskOptions) -> dict[str, Any]:
        """The settings of the driver process."""
        return {"cluster": cluster_name(function, options), **_spec(function, options)}

    def ensure(self, function: Function, options: DaskOptions) -> Place:
        """The cluster of this name; started unless it runs.

        Raises:
            BackendError: It did not start, and the message has its last words; or it runs and is another.
        """
        name = cluster_name(function, options)
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _PATIENCE
        while True:
            (folder / WANTED).touch()  # first: one that is there now does not end meanwhile
            found = self._running(name)
            if found is not None:
                self._check_same(name, function, options)
                return found
            try:
                starting = locks.hold(str(folder / "starting"))
            except BlockingIOError:  # another process starts it
                if time.monotonic() > deadline:
                    raise
                continue
            try:
                found = self._settled(name) or self._start(name, folder, _spec(function, options))
                (folder / WANTED).touch()  # to start it took a while
                return found
            finally:
                os.close(starting)

    def _settled(self, name: str) -> Place | None:
        """The cluster that is there, when one that begins or ends has done so; None where none is."""
        deadline = time.monotonic() + _CLOSING
        while (found := self._running(name)) is None and locks.is_held(str(self._folder(name) / "lock")):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the local cluster {name!r} neither begins nor ends", advice=f"See {self._folder(name) / 'log'}."
                )
            time.sleep(_LOOK)
        return found

    def evidence(self, place: Place) -> str:
        """A driver that is gone has taken its cluster with it."""
        found = self._running(place.cluster)
        if found is None:
            return f"the local cluster {place.cluster!r} has ended"
        if found.address != place.address:
            return f"the local cluster {place.cluster!r} has ended, and was started again as {found.address}"
        return ""

    def clusters(self) -> list[Place]:
        """Those whose driver lives."""
        root = self._folder("")
        names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        return [found for name in names if (found := self._running(name)) is not None]

    def close(self, place: Place) -> None:
        """Ask the driver to end the cluster, and wait for it.

        Raises:
            BackendError: It did not.
        """
        lock = str(self._folder(place.cluster) / "lock")
        owner = locks.owner(lock)
        deadline = time.monotonic() + _CLOSING
        if locks.is_held(lock) and owner:
            os.kill(owner["pid"], signal.SIGTERM)
        while locks.is_held(lock):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the driver of the cluster {place.cluster!r} (pid {owner.get('pid')}) does not end",
                    advice="End that process.",
                )
            time.sleep(_LOOK)
        for child in [child for child in _children if child.pid == owner.get("pid")]:
            child.wait()  # it has let go of its lock as the last thing that it does
            _children.remove(child)

    def _check_same(self, name: str, function: Function, options: DaskOptions) -> None:
        """Refuse a cluster that is there and is not what is asked for; who asks for nothing takes it as it is."""
        there = json.loads((self._folder(name) / "spec.json").read_text(encoding="utf-8"))
        fields = _other_than(there, function, options)
        if fields:
            raise BackendError(
                f"the local cluster {name!r} is there, and is another than is asked for now: {', '.join(fields)}",
                advice=f"Close it: framework dask cluster close {name}, or name another: -o cluster=NAME",
            )

    def _folder(self, name: str) -> Path:
        return self.home / "dask" / "clusters" / name

    def _running(self, name: str) -> Place | None:
        folder = self._folder(name)
        if not locks.is_held(str(folder / "lock")):
            return None
        try:
            found = json.loads((folder / "cluster.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None  # it begins, or has just ended
        facts = {"dashboard": found.get("dashboard", ""), "pid": str(found["pid"])}
        return Place(provider="local", cluster=name, address=found["address"], security=found["security"], facts=facts)

    def _start(self, name: str, folder: Path, spec: dict[str, Any]) -> Place:
        (folder / "cluster.json").unlink(missing_ok=True)
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        words = [sys.executable, "-m", "framework_runtime_dask.driver", str(folder)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + _PATIENCE
        while (found := self._running(name)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise BackendError(
                    f"the local cluster {name!r} did not start: {_last_words(folder / 'log')}",
                    advice=f"See {folder / 'log'}.",
                )
            time.sleep(_LOOK)
        _children.append(process)
        return found


_children: list[subprocess.Popen[bytes]] = []
"""Drivers that this process has started, and may have to wait for."""


@atexit.register
def _let_go() -> None:
    """They outlive this process, which is not to be told at its end of children that nobody waited for."""
    for child in _children:
        child.returncode = 0


def _spec(function: Function, options: DaskOptions) -> dict[str, Any]:
    least, most = workers(function)
    names = (
        "threads",
        "memory",
        "resources",
        "env",
        "idle_timeout",
        "death_timeout",
        "no_workers_timeout",
        "dashboard",
    )
    return {
        "min": least,
        "max": most,
        "adaptive": attrs.asdict(options.adaptive),
        "security": security.for_cluster(options.security),
        **{name: getattr(options, name) for name in names},
    }


def _other_than(there: dict[str, Any], function: Function, options: DaskOptions) -> list[str]:
    """What a function asks for and a cluster of this description is not: each with what it has."""
    asked = json.loads(json.dumps(_spec(function, options)))
    usual = json.loads(json.dumps(_spec(function, DaskOptions())))
    names = [name for name in asked if name not in _OF_A_RUN and asked[name] != usual[name]]
    names += ["min", "max"] if is_told(function) else []
    shown = {"min": "least workers", "max": "most workers"}
    # Of what it was given, certificates are nobody's business.
    return [
        name if name == "security" else f"{shown.get(name, name)} {there.get(name)!r}, not {asked[name]!r}"
        for name in names
        if asked[name] != there.get(name)
    ]


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    lines = [line for line in lines if " - INFO - " not in line]  # what Dask says of its tidying up is no reason
    return lines[-1].strip()[:300] if lines else "it said nothing"
