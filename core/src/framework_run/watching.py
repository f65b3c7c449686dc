"""What the supervisor does while the handler runs: it reads, beats, keeps limits, and finds the end."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework_run import ends, frames, launch, limits, loading, peaks, processes, surroundings
from framework_run.accounts import Accounts
from framework_run.carriers import Carrier
from framework_run.events import KINDS, Event, Producer
from framework_run.masking import Masker, unmasked
from framework_run.output import Output
from framework_run.signals import Requests
from framework_run.timelimits import TimeLimits

if TYPE_CHECKING:
    from framework_run.digest import Closing
    from framework_run.loglimit import Line, LogLimit

_READ = 65_536  # bytes of one read of a pipe: all that it holds
_COURTESY = 0.5  # seconds in which what the handler left behind may end by itself
_DRAIN = 2.0  # seconds for what is left in the pipes after that
_INSIST = 1.0  # seconds between two kills of what does not die
_LAST_TRIES = 5  # to write the end on a disk that is full
_NO_SECRETS: Final[Mapping[str, str]] = MappingProxyType({})
_OWN_KINDS = frozenset({"state", "heartbeat", "end"})  # which the handler may say of child runs only


class CarrierError(Exception):
    """The carrier takes no more."""


class Watcher:
    """Watches one attempt of one run, from the start of its handler to its end.

    Args:
        submission: The whole submission.
        carrier: Where events go.
        requests: The signals that ask for an end.
        secrets: The values that are masked, by variable.
    """

    def __init__(
        self, submission: dict[str, Any], carrier: Carrier, requests: Requests, secrets: Mapping[str, str] = _NO_SECRETS
    ) -> None:
        self.submission = submission
        self.closing, self.log_limit = _as_asked(carrier, submission["carrier"])
        self.carrier = self.closing or carrier
        self.requests = requests
        self.producer = Producer(submission["run"])
        self.is_command = submission["code"].get("command") is not None
        self.limits = TimeLimits(submission.get("timeouts") or {})
        self.accounts = Accounts(None, 0, {})
        self.beat: float | None = submission.get("heartbeat")
        self.secrets = secrets
        self.masker = Masker(secrets.values()) if secrets else None
        self.outputs = {name: Output(name, self._log, self._progress, self.masker) for name in ("stdout", "stderr")}
        self.decoder = frames.Decoder(submission["token"])
        self.poll = select.poll()
        self.pipes: dict[int, str] = {}  # the read ends that are open
        self.pid = 0
        self.status: int | None = None  # as from os.waitpid
        self.usage: peaks.Usage | None = None
        self.verdict: ends.Ending | None = None  # the first word on the end: the handler's, or ours
        self.killed = False
        self.refusal = b""  # the end of a handler that could not be started, as JSON
        self.next_beat = self.kill_at = float("inf")

    def emit(self, kind: str, data: dict[str, Any], child: str | None = None, at: float | None = None) -> None:
        """Number an event and deliver it.

        Raises:
            CarrierError: It could not be delivered.
        """
        if self.masker is not None:
            data = self.masker.event(kind, data)
        if kind == "log" and self.log_limit:
            self._limited(self.log_limit, (data, child, time.time() if at is None else at))
        else:
            self._deliver(kind, data, child, at)

    def _limited(self, limit: LogLimit, line: Line) -> None:
        """Deliver of a log event what goes out now; that the rest is held back is said once."""
        was_holding = limit.is_holding
        for part in limit.feed(line):
            self._deliver("log", *part)
        if limit.is_holding and not was_holding:
            text = f"The log is over {limit.first:,} bytes: of the rest, the last {limit.last:,} follow at the end.\n"
            self._deliver("log", {"stream": "system", "text": text})

    def _release(self) -> None:
        """Say the end of a log that was held back, and what was left out before it."""
        if self.log_limit is None:
            return
        dropped, held = self.log_limit.release()
        if dropped:
            self._deliver("dropped", dropped)
        for line in held:
            self._deliver("log", *line)

    def _deliver(self, kind: str, data: dict[str, Any], child: str | None = None, at: float | None = None) -> None:
        try:
            self.carrier.write(self.producer.event(kind, data, child=child, at=at))
        except OSError as error:
            raise CarrierError(f"events cannot be written: {error.strerror}") from error

    def see_through(self, started: launch.Started | ends.Ending) -> int:
        """Go on until the handler and its output are at their end, and write the end.

        Args:
            started: The handler, or the end where there is none.

        Returns:
            The supervisor's exit status.
        """
        try:
            end = self._follow(started) if isinstance(started, launch.Started) else started
        except CarrierError as error:
            end = ends.backend(str(error), advice="Make room on the disk, and run it again.")
        except Exception as error:  # noqa: BLE001  the end is written whatever happens
            end = ends.backend(f"the supervisor failed: {type(error).__name__}: {error}")
        completed = self.finish(end) and end["state"] == "completed"
        if self.closing is not None or self.submission["carrier"].get("hold"):
            from framework_run.holding import stay

            stay(self.submission["carrier"], self.closing, self.requests)
        return 0 if completed else 1

    def _follow(self, started: launch.Started) -> ends.Ending:
        self.pid, self.pipes = started.pid, started.pipes
        limited = (self.submission.get("resources") or {}).get("limits") or {}
        self.accounts = Accounts(started.group, started.oom_kills, limited)
        self.poll.register(self.requests.wake, select.POLLIN)
        try:
            return self._watch()
        except BaseException:
            processes.bury(self.pid, self._reap)
            raise

    def finish(self, end: ends.Ending) -> bool:
        """Write the end; whether that was possible."""
        with suppress(CarrierError):  # the end is tried all the same
            self._release()
        if self.masker is not None:
            end = self.masker.event("end", end)
        facts = {"exit_code": None, "signal": None, "traceback": "", "peak": self.accounts.peak(self.usage)}
        event = self.producer.event("end", {**facts, **end})
        tries = 0
        while error := self._try_to_write(event):
            tries += 1
            if tries == _LAST_TRIES:
                sys.stderr.write(f"the end could not be recorded: {error}\n")
                return False
            time.sleep(0.1)  # for room: others have ended too
        self.carrier.close()
        return True

    def _try_to_write(self, event: Event) -> OSError | None:
        try:
            self.carrier.write(event)
        except OSError as error:
            return error
        return None

    # Beginning

    def _begin(self) -> None:
        for fd in self.pipes:
            self.poll.register(fd, select.POLLIN)
        if self.beat:
            self.next_beat = time.monotonic() + self.beat
        self.requests.insisted = self._kill
        python = sys.version.split(maxsplit=1)[0]
        self.emit("state", {"state": "running", "host": os.uname().nodename, "pid": self.pid, "python": python})
        text = limits.unenforced(self.submission)
        text += unmasked(self.secrets)
        if text:
            self._log({"stream": "system", "text": text})
        if not self.submission.get("requirements"):  # with requirements the handler's process says what it has
            folders = loading.libraries({**os.environ, **(self.submission.get("env") or {})})
            self.emit("environment", surroundings.facts(folders, self.submission.get("packages", "")))
        self.carrier.flush()

    # Watching

    def _watch(self) -> ends.Ending:
        self._begin()
        while self.status is None:
            self._turn(self._patience())
            self._reap()
            self._on_time()
        self._drain()
        return self._end(self.status)

    def _turn(self, wait: float) -> None:
        """Wait for something to read, and deliver it."""
        for fd, _ in self.poll.poll(wait * 1000):
            if fd == self.requests.wake:
                self.requests.clear()
            else:
                self._take(fd)
        self.accounts.look()
        now = time.monotonic()
        for output in self.outputs.values():
            if output.due is not None and now >= output.due:
                output.flush()
        self.carrier.flush()

    def _patience(self) -> float:
        """Seconds until something is due."""
        moments = [self.next_beat, self.kill_at, self.accounts.next]
        if self.verdict is None:
            moments.append(self.limits.next)
        moments += [output.due for output in self.outputs.values() if output.due is not None]
        return min(max(0.0, min(moments) - time.monotonic()), 60.0)

    def _on_time(self) -> None:
        """What the clock and requests ask for, while the handler lives."""
        if self.status is not None:
            return
        now = time.monotonic()
        if now >= self.next_beat and self.beat:
            self.next_beat = now + self.beat
            self.emit("heartbeat", {})
        if self.kill_at == float("inf"):
            if self.requests.count:
                self._stop(ends.aborted(), now)
            elif now >= self.limits.next:
                self._stop(self.limits.end(), now)
        if now >= self.kill_at or self.requests.count > 1:
            self.kill_at = now + _INSIST
            self._kill()

    def _stop(self, end: ends.Ending, now: float) -> None:
        """Ask the handler's group to end, and note when to insist."""
        self.verdict = self.verdict or end
        self.kill_at = now + self._grace()
        processes.send_group(self.pid, signal.SIGTERM)

    def _grace(self) -> float:
        """Seconds until we insist: what whoever asks has left in a file, or what the submission says."""
        try:
            with open(self.submission["carrier"]["abort"], encoding="ascii") as stream:  # noqa: PTH123  as in `_read`
                return max(0.0, float(stream.read()))
        except (KeyError, OSError, ValueError):
            return self.limits.grace

    def _kill(self) -> None:
        if self.status is None:
            self.killed = True
            processes.kill_all(self.pid)

    def _reap(self) -> bool:
        """Wait for those that have ended, orphans too; whether there are no children any more."""
        while True:
            try:
                pid, status, rusage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            self.usage = peaks.usage(rusage, self.usage)
            if pid == self.pid:
                self.status = status

    def _take(self, fd: int) -> None:
        """Read one pipe once."""
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return
        name = self.pipes[fd]
        if not data:
            self.poll.unregister(fd)
            os.close(fd)
            del self.pipes[fd]
            if name == "start":
                self._started()
        elif name in self.outputs:
            self.outputs[name].add(data)
        elif name == "start":
            self.refusal += data
        else:
            for event in self.decoder.feed(data):
                if isinstance(event, dict):
                    self._report(event)

    def _started(self) -> None:
        """The user's code begins now, or could not be begun."""
        self.limits.begin()
        if self.refusal:
            self.verdict = self.verdict or json.loads(self.refusal)

    def _log(self, data: dict[str, str]) -> None:
        self.emit("log", data)

    def _progress(self, data: dict[str, Any]) -> None:
        self.emit("progress", data)

    def _report(self, event: dict[str, Any]) -> None:
        """An event from the channel: numbered, or the handler's word of its end."""
        kind, data, child, at = (event.get(name) for name in ("kind", "data", "child", "time"))
        if not isinstance(data, dict):
            return
        if kind in ("returned", "raised"):
            if not self.is_command and data.pop("pid", None) == self.pid:
                # What has returned whole is completed, even if it was asked to end meanwhile.
                self.verdict = data if kind == "returned" else self.verdict or data
        elif kind in KINDS and (isinstance(child, str) or kind not in _OWN_KINDS):
            at = at if isinstance(at, float) else None
            self.emit(kind, data, child if isinstance(child, str) else None, at)

    # Ending

    def _drain(self) -> None:
        """Read what is left; what the handler left behind must not keep the run open."""
        self._read_until(time.monotonic() + _COURTESY)
        left = processes.bury(self.pid, self._reap)
        self._read_until(time.monotonic() + _DRAIN)
        for output in self.outputs.values():
            output.flush(final=True)
        if left and not self.killed:
            self._log(
                {"stream": "system", "text": f"Processes that the handler left behind, and were killed: {left}\n"}
            )

    def _read_until(self, deadline: float) -> None:
        while self.pipes and (wait := deadline - time.monotonic()) > 0:
            self._turn(wait)

    def _end(self, status: int) -> ends.Ending:
        end = self.verdict
        if end is None:
            rose, words = self.accounts.oom_kills(), self.outputs["stderr"].last_line()
            end = ends.from_exit(status, command=self.is_command, oom_kills=rose, last_words=words)
        elif end["state"] == "completed" and os.WIFSIGNALED(status):
            end = ends.died_after_return(os.WTERMSIG(status))
        elif self.killed and end.get("cause") in ("Aborted", "Timeout"):
            end = {**end, "message": f"{end['message']}, and was killed"}
        end = self.accounts.explained(end)
        if os.WIFSIGNALED(status):
            return {**end, "signal": os.WTERMSIG(status)}
        if end.get("exit_code") is None:
            return {**end, "exit_code": os.WEXITSTATUS(status)}
        return end


def _as_asked(carrier: Carrier, options: dict[str, Any]) -> tuple[Closing | None, LogLimit | None]:
    """What the submission asks of the carrier besides: a closing digest or a note of the end, a limit to the log."""
    closing = limit = None
    if options.get("log"):
        from framework_run.loglimit import LogLimit

        limit = LogLimit(int(options["log"]["first"]), int(options["log"]["last"]))
    if options.get("digest") or options.get("termination"):
        from framework_run.digest import closed

        closing = closed(carrier, options)
    return closing, limit
