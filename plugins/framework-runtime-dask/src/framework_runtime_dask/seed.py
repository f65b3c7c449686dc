"""What runs in the process of a Dask worker: pickled by value, so that nothing of ours has to be installed there.

The bundle is a plugin of the worker: one for each pair of a run side and a code, named by their hash, so that it
reaches workers that are there, that join later and that restart, once each. It starts the processes that run user
code, hands on what they report, and runs none of it itself. Nothing but the standard library and Dask is used here.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shutil
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
_CLOSING = 5.0  # seconds for a process to end when it is let go
_LIVE = 1 << 23  # characters of a run's log that are sent live; the rest comes with the result
_RUN = (
    "import sys; sys.path[0] = sys.argv[1]; "
    "from framework_run.plugins.framework_runtime_dask import {0}; sys.exit({0}.main(sys.argv[2:]))"
)
_IDLE = 60.0  # seconds that a process waits for another item of its map
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
        self.running: dict[str, Reporter | Slot] = {}
        self.maps: dict[str, dict[str, Any]] = {}  # by topic, what all items have in common
        self.idle: dict[str, list[Slot]] = {}
        self.aborted: dict[str, float] = {}  # topics of which nothing more is to begin, and the grace of what has

    def teardown(self, worker: Any) -> None:  # noqa: ARG002  the interface's
        """Called when the worker closes."""
        for reporter in list(self.running.values()):
            reporter.end(0.0)
        for topic in list(self.idle):
            self.close(topic)

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
            if topic in self.aborted:  # it was asked while this was on its way
                reporter.end(self.aborted[topic])
            try:
                end = reporter.follow(report)
            finally:
                self.running.pop(uid, None)
            return report.result(end)

    def item(self, topic: str, index: int, item: dict[str, Any]) -> dict[str, Any]:
        """Run one item of a map to its end, in a process that has run others of it before, if there is one.

        Returns:
            As `single`.
        """
        document = self.common(topic)
        if topic in self.aborted:
            end = {**ending("Aborted", "it was asked to end before it began", _ABORTED), "state": "aborted"}
            return Report(self.worker, topic, index).result(end)
        if document.get("requirements") or document["code"].get("command"):
            return self.single(topic, index, {**document, **item})
        uid = item["run"]["uid"]
        report = Report(self.worker, topic, index)
        slot = self.take(topic) or Slot(self, document)
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
            is_first = not any(self.idle.values())
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
                is_over = not any(self.idle.values())
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


class Slot:
    """A process that serves items of one map: a supervisor, with the handler below it.

    Args:
        bundle: Where the run side and the code are.
        document: What all items have in common.
    """

    def __init__(self, bundle: Bundle, document: dict[str, Any]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slot-", dir=bundle.folder))
        self.log, self.abort = self.folder / "log", self.folder / "abort"
        (self.folder / "scratch").mkdir()
        carrier = {"type": "lines", "abort": str(self.abort), "scratch": str(self.folder / "scratch")}
        document, variables = prepared(bundle, document, self.folder)
        self.reader, writer = os.pipe()
        words = [sys.executable, "-s", "-c", _RUN.format("slot"), f"{bundle.folder}/runner", str(writer)]
        try:
            with self.log.open("wb") as output:
                self.process = popen(
                    [*words, str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=variables,
                    pass_fds=[writer],
                )
        finally:
            os.close(writer)
        self.input: Any = self.process.stdin
        self.rest = b""
        self.since = 0.0
        self.asked = False
        self.give({**document, "carrier": carrier})

    def give(self, document: dict[str, Any]) -> None:
        """Write one line to the process; that it is gone is seen when it is read from."""
        try:
            self.input.write(json.dumps(document).encode("ascii") + b"\n")
            self.input.flush()
        except OSError:
            return

    def run(self, item: dict[str, Any], report: Report) -> None:
        """Run one item; whether it has ended is in the report."""
        self.give(item)
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        while not report.ended:
            if poll.poll(_BEAT * 1000):
                data = os.read(self.reader, 1 << 18)
                if not data:
                    break
                *lines, self.rest = (self.rest + data).split(b"\n")
                for line in lines:
                    report.add(line.decode("ascii"))
            if not report.ended:
                report.send_if_due()
        report.send()

    def end(self, grace: float) -> None:
        """Ask it to end the item that it has."""
        self.asked = True
        ask(self.process, self.abort, grace)

    def close(self) -> None:
        """Let the process go."""
        with contextlib.suppress(OSError):
            self.input.close()
        try:
            self.process.wait(_CLOSING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.reader)
        shutil.rmtree(self.folder, ignore_errors=True)

    def conclude(self, uid: str) -> dict[str, Any]:
        """The end of an item whose process is gone."""
        words = last_words(self.log)
        self.close()
        kill_members(uid)
        if words:
            return ending("BackendError", f"its supervisor ended: {words}", "Mend what it says.")
        return ending("Lost", f"its supervisor (pid {self.process.pid}) is gone and left no final record", _LOST)


def popen(words: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a supervisor with the signals that ask for an end held back, until it can answer them."""
    asking = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, asking)  # of this thread, which the new process inherits
    try:
        return subprocess.Popen(words, start_new_session=True, **options)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def prepared(bundle: Bundle, document: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """A submission whose code is the bundle's, and the variables of its supervisor."""
    code = dict(document["code"])
    if code.get("archive") == "":
        code.update(archive=None, folder=str(Path(bundle.folder, "code")))
    given = dict(document.get("env") or {})
    variables = {
        **os.environ,
        **given,
        _MARK: document["run"]["uid"],
        "FRAMEWORK_DASK_SCHEDULER": bundle.worker.scheduler.address,
        "FRAMEWORK_DASK_SECEDE": str(folder / "secede"),
        **secured(bundle.worker.security, folder),
    }
    return {**document, "code": code, "env": given}, variables


def secured(security: Any, folder: Path) -> dict[str, str]:
    """The variable that names what a handler's own client needs for TLS: what its worker has."""
    if not security.tls_ca_file:
        return {}
    path = folder / "security.json"
    path.touch(mode=0o600)  # it may have the key itself, and not only the name of its file
    names = {"ca_file": security.tls_ca_file, "cert": security.tls_worker_cert, "key": security.tls_worker_key}
    path.write_text(json.dumps(names), encoding="utf-8")
    return {"FRAMEWORK_DASK_SECURITY": str(path)}


def ask(process: subprocess.Popen[bytes], abort: Path, grace: float) -> None:
    """Ask a supervisor to end what it runs, and to insist after ``grace`` seconds."""
    part = abort.with_suffix(".part")
    part.write_text(str(grace), encoding="ascii")
    part.replace(abort)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)


def last_words(log: Path) -> str:
    """The last line of what a supervisor printed; of a run that goes well there is none."""
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:300] if lines else ""


class Reporter:
    """One supervisor on this worker, and the reading of its event file.

    Args:
        bundle: Where the run side and the code are.
        document: The submission.
        folder: A folder of this run's own.
    """

    def __init__(self, bundle: Bundle, document: dict[str, Any], folder: str) -> None:
        self.uid = document["run"]["uid"]
        own = Path(folder)
        self.events, self.log, self.abort, self.secede = (own / name for name in ("events", "log", "abort", "secede"))
        (own / "scratch").mkdir()
        self.reader, writer = os.pipe()
        carrier = {
            "type": "file",
            "path": str(self.events),
            "abort": str(self.abort),
            "scratch": str(own / "scratch"),
            "wake_fd": writer,
        }
        document, variables = prepared(bundle, document, own)
        place = own / "submission.json"
        place.write_text(json.dumps({**document, "carrier": carrier}), encoding="utf-8")
        words = [
            sys.executable,
            "-s",
            "-c",
            _RUN.format("single"),
            f"{bundle.folder}/runner",
            str(place),
            str(os.getpid()),
        ]
        try:
            with self.log.open("wb") as output:
                self.process = popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=variables,
                    pass_fds=[writer],
                )
        finally:
            os.close(writer)
        self.offset = 0
        self.seceded = False

    def end(self, grace: float) -> None:
        """Ask the supervisor to end the run, and to insist after ``grace`` seconds."""
        ask(self.process, self.abort, grace)

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
            with self.events.open("rb") as stream:
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
        if not self.seceded and self.secede.exists():
            from distributed import secede

            self.seceded = True
            secede()

    def conclude(self) -> dict[str, Any]:
        """The end of a run whose supervisor is gone; what it has left is killed."""
        kill_members(self.uid)
        words = last_words(self.log)
        if words:
            return ending("BackendError", f"the supervisor ended: {words}", "Mend what it says.")
        return ending("Lost", f"its supervisor (pid {self.process.pid}) is gone and left no final record", _LOST)


_ABORTED = "Run it again when you want it."
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
        self.due = time.monotonic() + _BEAT
        self.ended = False
        self.is_live = True

    def add(self, line: str) -> None:
        """Take one event."""
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
        if not lines or self.worker.status.name in ("closing", "closed"):
            return  # what ends because its worker does has not ended: it is started elsewhere, or lost
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
    about = sync(worker.loop, worker.scheduler.get_metadata, keys=["framework", topic], default=None) or {}
    if about:
        return {"x": "", "w": worker.address, "lines": [], "again": about}
    mine = {"worker": worker.address, "name": str(worker.name)}
    sync(worker.loop, worker.scheduler.set_metadata, keys=["framework", topic, "claim"], value=mine)
    plugin: Any = worker.plugins[bundle]
    result: dict[str, Any] = plugin.single(topic, 0, document)
    return result


def run_item(index: int, text: str, *, bundle: str, topic: str, limit: int) -> dict[str, Any]:
    """The task of one item of a map."""
    import json
    from contextlib import nullcontext

    from distributed import Semaphore, get_worker

    plugin: Any = get_worker().plugins[bundle]
    with Semaphore(max_leases=limit, name=topic) if limit else nullcontext():
        result: dict[str, Any] = plugin.item(topic, index, json.loads(text))
    return result


def close_map(bundle: str, topic: str, dask_worker: Any = None) -> None:
    """Let go of what a worker holds for a map that is over."""
    plugin = dask_worker.plugins.get(bundle)
    if plugin is not None:
        plugin.close(topic)


def abort_runs(bundle: str, topic: str, uids: list[str], grace: float, dask_worker: Any = None) -> int:
    """Ask runs that are on this worker to end, and begin no more of their topic; how many there were."""
    plugin = dask_worker.plugins.get(bundle)
    if plugin is None:
        return 0
    plugin.aborted[topic] = grace
    return len([uid for uid in uids if plugin.abort(uid, grace)])


for _function in (run_single, run_item, close_map, abort_runs):
    _function.__module__ = "__main__"  # so that Dask pickles it by value, wherever it is pickled again
