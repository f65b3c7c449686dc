"""The supervisor: never runs user code, owns the carrier, and writes the end, whatever happens."""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import tempfile
import time
from types import FrameType
from typing import Any, NoReturn

from framework_run import channel, ends, frames, limits, locks, peaks
from framework_run.carriers import Carrier, open_carrier
from framework_run.events import Producer

_READ = 65_536  # bytes of one read of a pipe
_PIECE = 32_768  # bytes of one log event
_FLUSH = 0.05  # seconds that output may wait for more
_DRAIN = 2.0  # seconds for what is left in the pipes after the handler's end
_FAST_EXIT = "PYTHONUNBUFFERED"


def main(argv: list[str]) -> int:
    """Run the submission in a file, or on standard input for ``-``.

    Returns:
        0: completed; 1: not; 2: no readable submission.
    """
    try:
        if argv[0] == "-":
            submission = json.load(sys.stdin)
        else:
            with open(argv[0], encoding="utf-8") as stream:
                submission = json.load(stream)
        if submission["version"] != 1:
            raise ValueError(f"version {submission['version']} is not known here")
    except (IndexError, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"no readable submission: {error}\n")
        return 2
    return supervise(submission)


def supervise(submission: dict[str, Any]) -> int:
    """Run a submission to its end.

    Returns:
        As `main`.
    """
    carrier = open_carrier(submission["carrier"], submission["token"])
    supervisor = Supervisor(submission, carrier)
    try:
        end = supervisor.run()
    except Exception as error:  # noqa: BLE001  the end is written whatever happens
        supervisor.kill()
        end = ends.backend(f"the supervisor failed: {type(error).__name__}: {error}")
    try:
        supervisor.emit("end", end)
        carrier.close()
    except OSError as error:
        sys.stderr.write(f"the end could not be recorded: {error}\n")
        return 1
    return 0 if end["state"] == "completed" else 1


class Supervisor:
    """One attempt of one run.

    Args:
        submission: The whole submission.
        carrier: Where events go.
    """

    def __init__(self, submission: dict[str, Any], carrier: Carrier) -> None:
        self.submission = submission
        self.carrier = carrier
        self.producer = Producer(submission["run"])
        self.command: list[str] | None = submission["code"].get("command")
        self.pid = 0
        self.status: int | None = None
        self.usage: dict[str, float] = {}
        self.reported: dict[str, Any] | None = None  # the handler's own word of its end
        self.stopping: dict[str, Any] | None = None  # the end that we are making
        self.asked = 0
        self.kill_at: float | None = None
        timeouts = submission.get("timeouts") or {}
        self.grace = 10.0 if timeouts.get("grace") is None else float(timeouts["grace"])
        self.limit: float | None = timeouts.get("run")
        self.beat: float | None = submission.get("heartbeat")
        self.logs: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.log_since: float | None = None
        self.decoder = frames.Decoder(submission["token"])
        self.selector = selectors.DefaultSelector()
        self.open_pipes = 0

    def emit(self, kind: str, data: dict[str, Any], child: str | None = None, at: float | None = None) -> None:
        """Number an event and deliver it."""
        self.carrier.write(self.producer.event(kind, data, child=child, at=at))

    def run(self) -> ends.Ending:
        """Start the handler, and go on until it and its output are at their end."""
        limits.adopt_orphans()
        self._hold_lock()
        kills = peaks.oom_kills()
        wake = self._signals()
        with tempfile.TemporaryDirectory(prefix="framework-run-", ignore_cleanup_errors=True) as scratch:
            try:
                self._start(scratch)
            except OSError as error:
                return ends.bad_input(
                    f"{self.command[0] if self.command else 'the handler'!r} cannot be started: {error}"
                )
            self._say_running()
            self._watch(wake)
            self._drain()
        return self._end(peaks.oom_kills() - kills)

    def kill(self) -> None:
        """Kill everything that the handler has started."""
        if self.pid:
            limits.signal_session(self.pid, signal.SIGKILL)

    # Starting

    def _hold_lock(self) -> None:
        fd = self.submission["carrier"].get("lock_fd")
        if fd is not None:
            os.set_inheritable(fd, False)  # noqa: FBT003  the system's own signature
            locks.sign(fd)

    def _signals(self) -> int:
        """Signals become bytes on a pipe, and requests to end."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)  # noqa: FBT003  the system's own signature
        os.set_blocking(writer, False)  # noqa: FBT003
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)
        self.selector.register(reader, selectors.EVENT_READ, "wake")
        return reader

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1

    def _say_running(self) -> None:
        import platform

        self.emit(
            "state",
            {"state": "running", "host": platform.node(), "pid": self.pid, "python": platform.python_version()},
        )

    def _start(self, scratch: str) -> None:
        pipes = {name: os.pipe() for name in ("stdout", "stderr", "channel")}
        failure_reader, failure_writer = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._child(parent, {name: pair[1] for name, pair in pipes.items()}, failure_writer, scratch)
        os.close(failure_writer)
        for name, (reader, writer) in pipes.items():
            os.close(writer)
            os.set_blocking(reader, False)  # noqa: FBT003  the system's own signature
            self.selector.register(reader, selectors.EVENT_READ, name)
            self.open_pipes += 1
        self.began = time.monotonic()
        self.next_beat = self.began + self.beat if self.beat else None
        with open(failure_reader, "rb") as stream:
            text = stream.read()  # end of file: a command has been executed, or a handler begins
        if text:
            os.waitpid(self.pid, 0)
            raise OSError(text.decode())

    def _child(self, parent: int, pipes: dict[str, int], failure: int, scratch: str) -> NoReturn:
        """In the forked child: become the handler, or the command."""
        try:
            os.setsid()
            limits.die_with(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(pipes["stdout"], 1)
            os.dup2(pipes["stderr"], 2)
            kept = {pipes["channel"], failure}
            for fd in range(3, max(kept) + 64):
                if fd not in kept:
                    _close(fd)
            os.environ.update(self.submission.get("env") or {})
            os.environ.update(channel.environment(pipes["channel"], self.submission))
            if self.submission.get("workdir"):
                os.chdir(self.submission["workdir"])
            if self.command is not None:
                self._execute(pipes["channel"], scratch)
            os.close(failure)
        except OSError as error:
            os.write(failure, f"{error.strerror}: {error.filename or ''}".rstrip(": ").encode())
            os._exit(127)
        try:
            from framework_run import handler

            handler.run(self.submission, pipes["channel"], scratch)
        except BaseException:  # noqa: BLE001  ours, since the user's are caught: never back into the supervisor's stack
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        os._exit(70)

    def _execute(self, channel_fd: int, scratch: str) -> NoReturn:
        """Replace this process by the script or command; its Python finds the facade last on its path."""
        from framework_run.loading import folder_of

        code = self.submission["code"]
        folder = folder_of(code, scratch)
        words = [word.replace("{python}", sys.executable).replace("{code}", folder) for word in self.command or []]
        if code.get("archive") and not self.submission.get("workdir"):
            os.chdir(folder)
        os.set_inheritable(channel_fd, True)  # noqa: FBT003  the system's own signature
        os.environ.setdefault(_FAST_EXIT, "1")
        root = os.path.dirname(os.path.dirname(__file__))
        entries = [os.environ.get("PYTHONPATH", ""), *([] if _installed() else [root, os.path.join(root, "facade")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in entries if entry)
        if not os.environ["PYTHONPATH"]:
            del os.environ["PYTHONPATH"]
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(words[0], words)

    # Watching

    def _watch(self, wake: int) -> None:
        while self.status is None:
            for key, _ in self.selector.select(self._patience()):
                if key.data == "wake":
                    _empty(wake)
                else:
                    self._take(key.fd, key.data)
            self._reap()
            self._on_time()

    def _patience(self) -> float:
        now = time.monotonic()
        moments = [now + 60.0, self.next_beat, self.kill_at]
        if self.limit is not None and self.stopping is None:
            moments.append(self.began + self.limit)
        if self.log_since is not None:
            moments.append(self.log_since + _FLUSH)
        return max(0.0, min(moment for moment in moments if moment is not None) - now)

    def _on_time(self) -> None:
        now = time.monotonic()
        if self.log_since is not None and now >= self.log_since + _FLUSH:
            self._flush_logs()
        if self.next_beat is not None and self.beat is not None and now >= self.next_beat:
            self.next_beat = now + self.beat
            self.emit("heartbeat", {})
        if self.asked and (self.stopping is None or self.stopping["state"] != "aborted"):
            self._stop(ends.aborted(), now)
        elif self.asked > 1:
            self.kill_at = min(self.kill_at or now, now)
        if self.limit is not None and self.stopping is None and now >= self.began + self.limit:
            self._stop(ends.timeout(self.limit), now)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = now + 1.0
            self.kill()

    def _stop(self, end: ends.Ending, now: float) -> None:
        """Ask the whole session to end, and note when to insist."""
        self.stopping = end
        self.kill_at = now + self.grace if self.asked < 2 else now  # noqa: PLR2004  the second request insists
        limits.signal_session(self.pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Collect the handler's status, and as the parent of orphans theirs."""
        while True:
            try:
                pid, status, rusage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status = status
                self.usage = peaks.usage(rusage)

    def _take(self, fd: int, name: str) -> None:
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(fd)
            os.close(fd)
            self.open_pipes -= 1
        elif name == "channel":
            for event in self.decoder.feed(data):
                if isinstance(event, dict):
                    self._report(event)
        else:
            self._log(name, data)

    def _log(self, name: str, data: bytes) -> None:
        buffer = self.logs[name]
        buffer += data
        while len(buffer) >= _PIECE:
            self._emit_log(name, bytes(buffer[:_PIECE]))
            del buffer[:_PIECE]
        if self.log_since is None:
            self.log_since = time.monotonic()

    def _flush_logs(self) -> None:
        for name, buffer in self.logs.items():
            if buffer:
                self._emit_log(name, bytes(buffer))
                buffer.clear()
        self.log_since = None

    def _emit_log(self, name: str, data: bytes) -> None:
        self.emit("log", {"stream": name, "text": data.decode("utf-8", "surrogateescape")})

    def _report(self, event: dict[str, Any]) -> None:
        """An event from the channel: numbered, or kept as the handler's word of its end."""
        kind, data = event.get("kind"), event.get("data")
        if not isinstance(kind, str) or not isinstance(data, dict):
            return
        if kind in ("returned", "raised"):
            if self.command is None and data.pop("pid", None) == self.pid:
                self.reported = data
        elif kind != "end" or event.get("child"):
            self.emit(kind, data, event.get("child"), event.get("time"))

    # Ending

    def _drain(self) -> None:
        """Read what is left; processes that the handler left behind must not keep the run open."""
        deadline = time.monotonic() + _DRAIN
        killed = False
        while self.open_pipes and time.monotonic() < deadline:
            ready = [key for key, _ in self.selector.select(0.0 if not killed else 0.05) if key.data != "wake"]
            for key in ready:
                self._take(key.fd, key.data)
            if not ready and not killed:
                self.kill()
                killed = True
        self._reap()
        self._flush_logs()

    def _end(self, oom_kills: int) -> ends.Ending:
        status = self.status or 0
        end = self.reported
        if end is not None and end["state"] == "completed":
            if os.WIFSIGNALED(status):
                end["message"] = (
                    f"it died of signal {os.WTERMSIG(status)} in its exit functions, after the handler had returned"
                )
        elif self.stopping is not None:
            end = self.stopping
        elif end is None:
            end = ends.from_status(status, oom_kills=oom_kills, command=self.command is not None)
        return {**end, "peak": self.usage}


def _installed() -> bool:
    """Whether a whole framework is installed for this interpreter, outside of the archive."""
    import importlib.machinery

    return importlib.machinery.PathFinder.find_spec("framework") is not None


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass  # was not open


def _empty(fd: int) -> None:
    try:
        while os.read(fd, 512):
            pass
    except BlockingIOError:
        pass
