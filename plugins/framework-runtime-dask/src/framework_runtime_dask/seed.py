"""What runs in the process of a Dask worker: pickled by value, so that nothing of ours has to be installed there.

The bundle is a plugin of the worker: one for each pair of a run side and a code, named by their hash, so that it
reaches workers that are there, that join later and that restart, once each. It starts the processes that run user
code, hands on what they report, and runs none of it itself. Nothing but the standard library and Dask is used here.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from framework_runtime_dask.memory import Watch
from framework_runtime_dask.reports import Post, Report, ending
from framework_runtime_dask.runners import Reporter, Slot
from framework_runtime_dask.stopping import stopper_of
from framework_runtime_dask.taps import Outlet

_TURN = 0.1  # seconds between two askings for a turn
_IDLE = 60.0  # seconds that a process waits for another item of its map
_ABORTED = "Run it again when you want it."


class Bundle(WorkerPlugin):
    """The run side and a code on one worker.

    Args:
        name: What it is called: its hash.
        runner: The run side, a zip.
        code: The user's code, a zip; empty where there is none.
    """

    idempotent = True

    def __init__(self, name: str, runner: bytes, code: bytes) -> None:
        self.name = name
        self.runner = runner
        self.code = code

    def setup(self, worker: Any) -> None:
        """Called on each worker; nothing is unpacked before a run needs it."""
        self.worker = worker
        self.lock = threading.Lock()
        self.folder = ""
        self.running: dict[str, Reporter | Slot] = {}
        self.maps: dict[str, dict[str, Any]] = {}  # by topic, what all items have in common
        self.idle: dict[str, list[Slot]] = {}
        self.is_swept = False  # whether a thread looks after those that wait
        self.aborted: dict[str, float] = {}  # topics of which nothing more is to begin, and the grace of what has
        self.outlet = Outlet(worker)
        self.outlet.open()
        self.post = Post(worker)
        self.stopper = stopper_of(worker)
        self.watch = Watch(worker, self.supervisors)
        self.watch.open()

    def teardown(self, worker: Any) -> None:  # noqa: ARG002  the interface's
        """Called when the worker closes."""
        self.watch.over.set()
        for reporter in list(self.running.values()):
            reporter.end(0.0)
        for topic in list(self.idle):
            self.close(topic)
        self.outlet.close()

    def transition(self, key: Any, start: str, finish: str, **_facts: Any) -> None:
        """Called when a task of the worker's changes its state."""
        if start == "executing" and self.outlet.waiting:
            self.outlet.flush(str(key))
        if start in ("executing", "long-running") and finish == "released":
            self.stopper.notice(key)

    def supervisors(self) -> dict[int, Reporter | Slot]:
        """What starts and ends runs here, those that wait for another item included, by pid."""
        with self.lock:
            waiting = [slot for slots in self.idle.values() for slot in slots]
        return {runner.process.pid: runner for runner in (*waiting, *list(self.running.values()))}

    def prepare(self) -> str:
        """The folder with ``runner`` and ``code``, unpacked once."""
        with self.lock:
            if not self.folder:
                folder = tempfile.mkdtemp(prefix=f"{self.name[:20]}-", dir=self.worker.local_directory)
                for part, content in (("runner", self.runner), ("code", self.code)):
                    with zipfile.ZipFile(io.BytesIO(content)) as archive:
                        archive.extractall(Path(folder, part))
                self.folder = folder
            return self.folder

    def abort(self, uid: str, grace: float) -> bool:
        """Ask a run that is here to end; whether it is."""
        reporter = self.running.get(uid)
        if reporter is not None:
            reporter.end(grace)
        return reporter is not None

    def single(self, topic: str, index: int, document: dict[str, Any], parcel: bytes) -> dict[str, Any]:
        """Run one submission to its end in processes of its own.

        Args:
            topic: Of its run, or of the map that it is an item of.
            index: Which item.
            document: The submission.
            parcel: The inputs that were sent (`framework_runtime_dask.nearby`).

        Returns:
            ``x`` (which execution this is), ``lines`` (every event, as JSON), and where the run left no final record
            ``end``, which an observer may conclude.
        """
        uid = document["run"]["uid"]
        report = Report(self.post, topic, index)
        with tempfile.TemporaryDirectory(
            prefix=f"run-{uid[:8]}-", dir=self.prepare(), ignore_cleanup_errors=True
        ) as at:
            reporter = Reporter(self, document, at, parcel)
            self.running[uid] = reporter
            if topic in self.aborted:  # it was asked while this was on its way
                reporter.end(self.aborted[topic])
            try:
                end = reporter.follow(report)
            finally:
                self.running.pop(uid, None)
            return report.result(end)

    def item(self, topic: str, index: int, item: dict[str, Any], parcel: bytes) -> dict[str, Any]:
        """Run one item of a map to its end, in a process that has run others of it before, if there is one.

        Arguments and what it returns are as of `single`; ``item`` is what the submission has beside the others'.
        """
        document = self.common(topic)
        if topic in self.aborted:
            end = {**ending("Aborted", "it was asked to end before it began", _ABORTED), "state": "aborted"}
            return Report(self.post, topic, index).result(end)
        if document.get("requirements") or document["code"].get("command"):
            return self.single(topic, index, {**document, **item}, parcel)
        uid = item["run"]["uid"]
        report = Report(self.post, topic, index)
        slot = self.take(topic) or Slot(self, document, parcel)
        self.running[uid] = slot
        if topic in self.aborted:  # it was asked while this was on its way
            slot.end(self.aborted[topic])
        try:
            slot.run(item, report)
        finally:
            self.running.pop(uid, None)
        if report.ended and not slot.asked:
            self.put(topic, slot)
            return report.result(None)
        end = slot.conclude(uid)
        return report.result(None if report.ended else end)

    @contextlib.contextmanager
    def turn(self, topic: str, index: int, limit: int) -> Iterator[None]:
        """An item's turn, waited for where only so many may run at once (`framework_runtime_dask.turns`)."""
        about = {"topic": topic, "index": index, "worker": self.worker.address}
        while limit and topic not in self.aborted and not self.ask("framework_begin", **about):
            time.sleep(_TURN)
        try:
            yield
        finally:
            if limit:
                self.ask("framework_end", **about)

    def ask(self, what: str, **about: Any) -> Any:
        """Ask the scheduler something, from a thread of the worker's."""
        from distributed.utils import sync
        from distributed.utils_comm import retry_operation

        return sync(self.worker.loop, retry_operation, getattr(self.worker.scheduler, what), operation=what, **about)

    def common(self, topic: str) -> dict[str, Any]:
        """What all items of a map have in common, asked for once."""
        if topic not in self.maps:
            from distributed.utils import sync

            ask = self.worker.scheduler.get_metadata
            about = sync(self.worker.loop, ask, keys=["framework", topic])
            if about.get("abort") is not None:
                self.aborted[topic] = float(about["abort"])
            self.prepare()
            self.maps[topic] = json.loads(about["common"])
        return self.maps[topic]

    def take(self, topic: str) -> Slot | None:
        """A process that waits for an item, if there is one."""
        with self.lock:
            waiting = self.idle.get(topic)
            return waiting.pop() if waiting else None

    def put(self, topic: str, slot: Slot) -> None:
        """Have a process wait for another item, for a while."""
        slot.since = time.monotonic()
        with self.lock:
            is_first, self.is_swept = not self.is_swept, True
            self.idle.setdefault(topic, []).append(slot)
        if is_first:
            threading.Thread(target=self.sweep, daemon=True).start()

    def sweep(self) -> None:
        """Close the processes that have waited for long enough, until none waits."""
        while True:
            time.sleep(_IDLE / 4)
            with self.lock:
                late = time.monotonic() - _IDLE
                old = [slot for slots in self.idle.values() for slot in slots if slot.since < late]
                self.idle = {name: [it for it in slots if it not in old] for name, slots in self.idle.items()}
                self.is_swept = any(self.idle.values())
                is_over = not self.is_swept
            for slot in old:
                slot.close()
            if is_over:
                return

    def close(self, topic: str) -> None:
        """Close the processes of a map that is over."""
        with self.lock:
            slots = self.idle.pop(topic, [])
            self.maps.pop(topic, None)
            self.aborted.pop(topic, None)
        for slot in slots:  # each takes a moment, and this is the worker's event loop
            threading.Thread(target=slot.close, daemon=True).start()


def carry(content: bytes) -> bytes:
    """The task that has what is sent to the workers of a run."""
    return content


def run_single(bundle: str, topic: str, text: str, parcel: bytes) -> dict[str, Any]:
    """The task of a run alone: it claims the run first, because the scheduler starts it again when a worker is lost."""
    import json
    import time

    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    document = json.loads(text)
    about = sync(worker.loop, worker.scheduler.get_metadata, keys=["framework", topic], default=None) or {}
    if about:
        return {"x": "", "w": worker.address, "lines": [], "again": about}
    mine = {"worker": worker.address, "name": str(worker.name), "time": time.time()}
    sync(worker.loop, worker.scheduler.set_metadata, keys=["framework", topic, "claim"], value=mine)
    plugin: Any = worker.plugins[bundle]
    result: dict[str, Any] = plugin.single(topic, 0, document, parcel)
    return result


def run_item(  # noqa: PLR0913  what an item takes
    index: int, text: str, *, bundle: str, topic: str, limit: int, parcel: bytes
) -> dict[str, Any]:
    """The task of one item of a map."""
    import json

    from distributed import get_worker

    plugin: Any = get_worker().plugins[bundle]
    with plugin.turn(topic, index, limit):
        result: dict[str, Any] = plugin.item(topic, index, json.loads(text), parcel)
    return result


def close_map(bundle: str, topic: str, dask_worker: Any = None) -> None:
    """Let go of what a worker holds for a map that is over."""
    plugin = dask_worker.plugins.get(bundle)
    if plugin is not None:
        plugin.close(topic)


def tell_more(bundle: str, uid: str, execution: str, number: int, dask_worker: Any = None) -> dict[str, Any] | None:
    """The events of a run on this worker behind a number; None where that execution of it is not here."""
    plugin = dask_worker.plugins.get(bundle)
    report = getattr(plugin.running.get(uid), "report", None) if plugin is not None else None
    return report.since(number) if report is not None and report.execution == execution else None


def abort_runs(bundle: str, topic: str, uids: list[str], grace: float, dask_worker: Any = None) -> int:
    """Ask runs that are on this worker to end, and begin no more of their topic; how many there were."""
    plugin = dask_worker.plugins.get(bundle)
    if plugin is None:
        return 0
    plugin.aborted[topic] = grace
    return len([uid for uid in uids if plugin.abort(uid, grace)])


for _function in (carry, run_single, run_item, close_map, tell_more, abort_runs):
    _function.__module__ = "__main__"  # so that Dask pickles it by value, wherever it is pickled again
