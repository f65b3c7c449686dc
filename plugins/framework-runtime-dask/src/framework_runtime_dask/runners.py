"""The processes that run user code on a Dask worker: the supervisor of a run alone, and that of items of a map.

Part of what runs in the process of a worker (`framework_runtime_dask.seed`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from framework_runtime_dask.nearby import settled
from framework_runtime_dask.reports import Report, ending

_BEAT = 0.05  # seconds between two looks at what is due
_CLOSING = 5.0  # seconds for a process to end when it is let go
_RUN = (
    "import sys; sys.path[0] = sys.argv[1]; "
    "from framework_run.plugins.framework_runtime_dask import {0}; sys.exit({0}.main(sys.argv[2:]))"
)
_MARK = "FRAMEWORK_RUN_UID"
_LOST = "Nobody here ended it: look for an operator, a memory killer or a restart, and run it again."


class Slot:
    """A process that serves items of one map: a supervisor, with the handler below it.

    Args:
        bundle: Where the run side and the code are.
        document: What all items have in common.
        parcel: The inputs that were sent (`framework_runtime_dask.nearby`).
    """

    def __init__(self, bundle: Any, document: dict[str, Any], parcel: bytes) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slot-", dir=bundle.folder))
        self.log, self.abort, self.secede = (self.folder / name for name in ("log", "abort", "secede"))
        (self.folder / "scratch").mkdir()
        carrier = {"type": "lines", "abort": str(self.abort), "scratch": str(self.folder / "scratch")}
        document, variables = prepared(bundle, settled(document, self.folder, parcel), self.folder)
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
        self.report: Report | None = None
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
        self.report = report
        has_left = False
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
                has_left = has_left or leave(self.secede)
        report.send()
        self.report = None

    def drop(self, verdict: dict[str, str]) -> None:
        """Its handler is about to be killed."""
        if self.report is not None:
            self.report.verdict = verdict

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


def prepared(bundle: Any, document: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
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
        "FRAMEWORK_DASK_CODE": str(code.get("folder") or ""),
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


def leave(mark: Path) -> bool:
    """Leave this task's place to others when the handler wants to submit tasks itself; whether it does."""
    if not mark.exists():
        return False
    from distributed import secede

    secede()
    return True


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
        parcel: The inputs that were sent (`framework_runtime_dask.nearby`).
    """

    def __init__(self, bundle: Any, document: dict[str, Any], folder: str, parcel: bytes) -> None:
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
        document, variables = prepared(bundle, settled(document, own, parcel), own)
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
        self.report: Report | None = None

    def drop(self, verdict: dict[str, str]) -> None:
        """Its handler is about to be killed."""
        if self.report is not None:
            self.report.verdict = verdict

    def end(self, grace: float) -> None:
        """Ask the supervisor to end the run, and to insist after ``grace`` seconds."""
        ask(self.process, self.abort, grace)

    def follow(self, report: Report) -> dict[str, Any] | None:
        """Hand on what the supervisor writes until it has ended; the end to conclude where it left none."""
        self.report = report
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        is_open, has_left = True, False
        while is_open or self.process.poll() is None:
            if is_open and poll.poll(500):
                is_open = bool(os.read(self.reader, 65_536))  # the handler has closed its copy of the other end
            elif not is_open:
                time.sleep(0.01)
            self.read(report)
            has_left = has_left or leave(self.secede)
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

    def conclude(self) -> dict[str, Any]:
        """The end of a run whose supervisor is gone; what it has left is killed."""
        kill_members(self.uid)
        words = last_words(self.log)
        if words:
            return ending("BackendError", f"the supervisor ended: {words}", "Mend what it says.")
        return ending("Lost", f"its supervisor (pid {self.process.pid}) is gone and left no final record", _LOST)


def kill_members(uid: str) -> None:
    """Kill every process of a run that is left on this machine, in whatever session it is."""
    mark = f"{_MARK}={uid}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue
