"""What runs in the process of a Dask worker: pickled by value, so that nothing of ours has to be installed there.

The bundle is a plugin of the worker: one for each pair of a run side and a code, named by their hash, so that it
reaches workers that are there, that join later and that restart, once each. It starts the processes that run user
code, hands on what they report, and runs none of it itself. Nothing but the standard library and Dask is used here.
"""

from __future__ import annotations

import base64
import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

_BEAT = 0.05  # seconds that a report may wait for more
_LONGEST = 1 << 16  # characters of one message, about
_LIVE = 1 << 23  # characters of a run's log that are sent live; the rest comes with the result
_RUN = (
    "import sys; sys.path[0] = sys.argv[1]; "
    "from framework_run.plugins.framework_runtime_dask import single; sys.exit(single.main(sys.argv[2:]))"
)
_MARK = "FRAMEWORK_RUN_UID"


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
        self.running: dict[str, Reporter] = {}

    def teardown(self, worker: Any) -> None:
        """Called when the worker closes."""
        for reporter in list(self.running.values()):
            reporter.end(0.0)

    def prepare(self) -> str:
        """The folder with ``runner`` and ``code``, unpacked once."""
        with self.lock:
            if not self.folder:
                folder = tempfile.mkdtemp(prefix=f"{self.name[:20]}-", dir=self.worker.local_directory)
                for part, content in (("runner", self.runner), ("code", self.code)):
                    with zipfile.ZipFile(io.BytesIO(content)) as archive:
                        archive.extractall(os.path.join(folder, part))
                self.folder = folder
            return self.folder

    def abort(self, uid: str, grace: float) -> bool:
        """Ask a run that is here to end; whether it is."""
        reporter = self.running.get(uid)
        if reporter is not None:
            reporter.end(grace)
        return reporter is not None

    def single(self, topic: str, index: int, document: dict[str, Any]) -> dict[str, Any]:
        """Run one submission to its end in processes of its own.

        Returns:
            ``x`` (which execution this is), ``lines`` (every event, as JSON), and where the run left no final record
            ``end``, which an observer may conclude.
        """
        uid = document["run"]["uid"]
        report = Report(self.worker, topic, index)
        with tempfile.TemporaryDirectory(
            prefix=f"run-{uid[:8]}-", dir=self.prepare(), ignore_cleanup_errors=True
        ) as at:
            reporter = Reporter(self, document, at)
            self.running[uid] = reporter
            try:
                end = reporter.follow(report)
            finally:
                self.running.pop(uid, None)
            return report.result(end)


class Reporter:
    """One supervisor on this worker, and the reading of its event file.

    Args:
        bundle: Where the run side and the code are.
        document: The submission.
        folder: A folder of this run's own.
    """

    def __init__(self, bundle: Bundle, document: dict[str, Any], folder: str) -> None:
        self.uid = document["run"]["uid"]
        self.events = os.path.join(folder, "events")
        self.log = os.path.join(folder, "log")
        self.abort = os.path.join(folder, "abort")
        self.secede = os.path.join(folder, "secede")
        scratch = os.path.join(folder, "scratch")
        os.mkdir(scratch)
        place = os.path.join(folder, "submission.json")
        self.reader, writer = os.pipe()
        carrier = {
            "type": "file",
            "path": self.events,
            "abort": self.abort,
            "scratch": scratch,
            "wake_fd": writer,
        }
        code = dict(document["code"])
        if code.get("archive") == "":
            code.update(archive=None, folder=os.path.join(bundle.folder, "code"))
        given = dict(document.get("env") or {})
        with open(place, "w", encoding="utf-8") as stream:
            json.dump({**document, "carrier": carrier, "code": code, "env": given}, stream)
        variables = {
            **os.environ,
            **given,
            _MARK: self.uid,
            "FRAMEWORK_DASK_SCHEDULER": bundle.worker.scheduler.address,
            "FRAMEWORK_DASK_SECEDE": self.secede,
        }
        words = [sys.executable, "-s", "-c", _RUN, os.path.join(bundle.folder, "runner"), place, str(os.getpid())]
        try:
            with open(self.log, "wb") as output:
                self.process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=variables,
                    pass_fds=[writer],
                    start_new_session=True,
                )
        finally:
            os.close(writer)
        self.offset = 0
        self.seceded = False

    def end(self, grace: float) -> None:
        """Ask the supervisor to end the run, and to insist after ``grace`` seconds."""
        with open(f"{self.abort}.part", "w", encoding="ascii") as stream:
            stream.write(str(grace))
        os.replace(f"{self.abort}.part", self.abort)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def follow(self, report: Report) -> dict[str, Any] | None:
        """Hand on what the supervisor writes until it has ended; the end to conclude where it left none."""
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        is_open = True
        while is_open or self.process.poll() is None:
            if is_open and poll.poll(500):
                is_open = bool(os.read(self.reader, 65_536))  # the handler has closed its copy of the other end
            elif not is_open:
                time.sleep(0.01)
            self.read(report)
            self.leave()
        os.close(self.reader)
        self.read(report)
        report.send()
        return None if report.ended else self.conclude()

    def read(self, report: Report) -> None:
        """Hand on the lines that are whole."""
        try:
            with open(self.events, "rb") as stream:
                stream.seek(self.offset)
                content = stream.read()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.decode("ascii", "replace").splitlines():
            report.add(line[9:])  # behind the CRC: the worker's own file, seconds old
        report.send_if_due()

    def leave(self) -> None:
        """Leave this task's place to others when the handler wants to submit tasks itself."""
        if not self.seceded and os.path.exists(self.secede):
            from distributed import secede

            self.seceded = True
            secede()

    def conclude(self) -> dict[str, Any]:
        """The end of a run whose supervisor is gone; what it has left is killed."""
        kill_members(self.uid)
        try:
            words = Path(self.log).read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            words = []
        if words:
            return ending("BackendError", f"the supervisor ended: {words[-1].strip()[:300]}", "Mend what it says.")
        return ending("Lost", f"its supervisor (pid {self.process.pid}) is gone and left no final record", _LOST)


_LOST = "Nobody here ended it: look for an operator, a memory killer or a restart, and run it again."


class Report:
    """What is told of one execution: live by a topic of the scheduler's, and whole in the task's result.

    Args:
        worker: The worker.
        topic: The topic.
        index: Which item of a map it is; 0 for a run alone.
    """

    def __init__(self, worker: Any, topic: str, index: int) -> None:
        self.worker = worker
        self.topic = topic
        self.index = index
        self.execution = uuid.uuid4().hex[:12]
        self.lines: list[str] = []
        self.sent = 0
        self.size = self.live = 0
        self.due = 0.0
        self.ended = False
        self.is_live = True

    def add(self, line: str) -> None:
        """Take one event."""
        if not self.lines:
            self.due = 0.0  # the first is sent at once
        self.lines.append(line)
        self.size += len(line)
        if '"kind":"end"' in line and not self.ended:
            event = json.loads(line)
            self.ended = event["kind"] == "end" and not event.get("child")
        if self.size > _LONGEST:
            self.send()

    def send_if_due(self) -> None:
        """Send what waits, if it has waited for long enough."""
        if self.sent < len(self.lines) and time.monotonic() >= self.due:
            self.send()

    def send(self) -> None:
        """Send what waits."""
        lines = self.lines[self.sent :]
        if not lines:
            return
        self.live += self.size
        if self.is_live:
            message = {"i": self.index, "x": self.execution, "w": self.worker.address, "lines": lines}
            self.worker.log_event(self.topic, message)
            self.is_live = self.live < _LIVE  # a gap is seen, and the rest is fetched with the result
        self.sent, self.size = len(self.lines), 0
        self.due = time.monotonic() + _BEAT

    def result(self, end: dict[str, Any] | None) -> dict[str, Any]:
        """What the task returns."""
        result: dict[str, Any] = {"x": self.execution, "w": self.worker.address, "lines": self.lines}
        return result if end is None else {**result, "end": end}


def ending(cause: str, message: str, advice: str) -> dict[str, Any]:
    """An end that is not the run's own word."""
    return {"state": "failed", "cause": cause, "message": message, "advice": advice}


def kill_members(uid: str) -> None:
    """Kill every process of a run that is left on this machine, in whatever session it is."""
    mark = f"{_MARK}={uid}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue


def run_single(bundle: str, topic: str, text: str) -> dict[str, Any]:
    """The task of a run alone: it claims the run first, because the scheduler starts it again when a worker is lost."""
    import json

    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    document = json.loads(text)
    keys = ["framework", topic]
    claim = sync(worker.loop, worker.scheduler.get_metadata, keys=keys, default=None) or {}
    if claim.get("worker") or claim.get("abort") is not None:
        return {"x": "", "w": worker.address, "lines": [], "again": claim}
    mine = {"worker": worker.address, "name": str(worker.name)}
    sync(worker.loop, worker.scheduler.set_metadata, keys=keys, value=mine)
    result: dict[str, Any] = worker.plugins[bundle].single(topic, 0, document)
    return result


def abort_runs(bundle: str, uids: list[str] | None, grace: float, dask_worker: Any = None) -> int:
    """Ask runs that are on this worker to end; all of the bundle's where no uid is given; how many there were."""
    plugin = dask_worker.plugins.get(bundle)
    if plugin is None:
        return 0
    found = [uid for uid in (list(plugin.running) if uids is None else uids) if plugin.abort(uid, grace)]
    return len(found)


for _function in (run_single, abort_runs):
    _function.__module__ = "__main__"  # so that Dask pickles it by value, wherever it is pickled again


def unpack(text: str) -> bytes:
    """The content of a base64 text."""
    return base64.b64decode(text)
