"""A supervisor whose handler serves one run after another of the same code: for runs that are short and many.

The user's module is imported once, and its process lives on between runs, as it would in a worker of any pool. All
else is as for a run alone: output, events and end are each run's own, a handler that dies takes one run with it, and
the next run has a new one. What a thread or process that a run has left behind says later belongs to a later run.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from framework_run import ends, launch, peaks, processes
from framework_run.errors import SecretError
from framework_run.events import Event
from framework_run.signals import Requests
from framework_run.watching import Watcher

_MOST = 64  # reads of what a run has left in the pipes
_GATHER = 0.05  # seconds that events may wait for more: those of a short run are then read at once
_NEVER = float("inf")


class LineCarrier:
    """Events as lines of JSON on a descriptor, for whoever has started this process.

    Args:
        fd: The descriptor.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = b""
        self.due = _NEVER  # when what waits must go, in the monotonic clock's seconds

    def write(self, event: Event) -> None:
        """Take one event; an end, and what waits before it, is written at once."""
        if not self._waiting:
            self.due = time.monotonic() + _GATHER
        self._waiting += json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n"
        if event["kind"] == "end":
            self._send()

    def flush(self) -> None:
        """Write what waits, if it has waited for long enough."""
        if time.monotonic() >= self.due:
            self._send()

    def _send(self) -> None:
        while self._waiting:
            self._waiting = self._waiting[os.write(self._fd, self._waiting) :]
        self.due = _NEVER

    def close(self) -> None:
        """The next run writes to the same descriptor."""


class Server:
    """Runs items with one handler, which is started when it is needed.

    Args:
        submission: What all items have in common: a submission.
        carrier: Where events go.
        requests: The signals that ask for an end.
        scratch: A folder of this server's own.
    """

    def __init__(self, submission: dict[str, Any], carrier: LineCarrier, requests: Requests, scratch: str) -> None:
        self._submission = submission
        self._carrier = carrier
        self._requests = requests
        self._scratch = scratch
        self._values: dict[str, str] = {}
        self._handler: launch.Started | None = None
        self._items = -1  # the pipe by which the handler gets items
        self._before: _Usage | None = None  # what it had used when it was ready for the next item

    def run(self, item: dict[str, Any]) -> None:
        """Run one item to its end.

        Args:
            item: The parts of the submission that are its own: run, params.
        """
        started: launch.Started | ends.Ending
        try:
            started = self._handler or self._start()
            if self._values:
                from framework_run.secrets import refuse_exposed

                refuse_exposed({"params": item["params"]}, self._values)
        except SecretError as error:
            started = ends.bad_input(error.message, advice=error.advice)
        except Exception as error:  # noqa: BLE001  the end is written whatever happens
            started = ends.backend(f"the handler could not be started: {type(error).__name__}: {error}")
        watcher = _Watcher({**self._submission, **item}, self._carrier, self._requests, self._values)
        if not isinstance(started, launch.Started):
            watcher.finish(started)
            return
        watcher.handler = started
        watcher.item = json.dumps(item, separators=(",", ":")).encode("ascii") + b"\n"
        watcher.items = self._items
        watcher.before = self._before or _Usage(started.pid)
        watcher.see_through(started)
        if watcher.status is not None or not watcher.pipes:
            self.close()
        else:
            self._before = _Usage(started.pid)  # now, while nobody waits for it

    def close(self) -> None:
        """Let the handler go: it ends when nothing more can come."""
        if self._items >= 0:
            os.close(self._items)
        for fd in self._handler.pipes if self._handler is not None else ():
            os.close(fd)
        self._items, self._handler, self._before = -1, None, None

    def _start(self) -> launch.Started:
        from framework_run import secrets

        submission = self._submission
        if submission.get("secrets"):
            self._values.update(secrets.resolve(submission["secrets"]))
            submission = secrets.opened(submission, self._values)
        reader, self._items = os.pipe()
        try:
            self._handler = launch.start({**submission, "items_fd": reader}, self._scratch, peaks.oom_kills())
        except BaseException:
            os.close(self._items)
            self._items = -1
            raise
        finally:
            os.close(reader)
        return self._handler


class _Watcher(Watcher):
    """Watches one item: its end is the handler's word, or the handler's death."""

    handler: launch.Started
    carrier: LineCarrier
    before: _Usage
    item: bytes = b""
    items: int = -1
    reported: bool = False

    def _begin(self) -> None:
        python = sys.version.split(maxsplit=1)[0]
        for fd in self.pipes:
            self.poll.register(fd, select.POLLIN)
        self.requests.insisted = self._kill
        self.emit("state", {"state": "running", "host": os.uname().nodename, "pid": self.pid, "python": python})

    def _watch(self) -> ends.Ending:
        self._begin()
        self._give()
        self.limits.begin()
        while self.status is None and not self.reported:
            self._turn(self._patience())
            self._reap()
            self._on_time()
        if self.status is not None:
            self._drain()
            return self._end(self.status)
        self._empty()
        self.usage = self.before.since()
        return self.verdict or ends.backend("the handler said nothing of its end")

    def _patience(self) -> float:
        return min(super()._patience(), max(0.0, self.carrier.due - time.monotonic()))

    def _give(self) -> None:
        """Give the item to the handler, which waits for one."""
        rest = self.item
        try:
            while rest:
                rest = rest[os.write(self.items, rest) :]
        except BrokenPipeError:
            return  # it has died, which will be seen

    def _report(self, event: dict[str, Any]) -> None:
        word = event.get("kind") in {"returned", "raised"} and isinstance(event.get("data"), dict)
        is_own = word and event["data"].get("pid") == self.pid
        super()._report(event)
        self.reported = self.reported or is_own

    def _empty(self) -> None:
        """Read what the item has written: it was flushed before the handler's word."""
        fds = [fd for fd, name in self.pipes.items() if name in self.outputs]
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        for _ in range(_MOST):
            ready = [fd for fd, happened in poll.poll(0) if happened & select.POLLIN]
            if not ready:
                break
            for fd in ready:
                self._take(fd)
        for output in self.outputs.values():
            output.flush(final=True)


class _Usage:
    """What a process uses from now on.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu = self._seconds()
        try:
            with open(f"/proc/{pid}/clear_refs", "wb") as stream:  # noqa: PTH123  pathlib is slow to import
                stream.write(b"5")  # forget the peak so far: proc_pid_clear_refs(5)
        except OSError:
            return  # the peak is then that of the process's whole life

    def since(self) -> peaks.Usage | None:
        """Peak memory in bytes and CPU time in seconds; None where the system does not say."""
        try:
            with open(f"/proc/{self._pid}/status", encoding="ascii", errors="replace") as stream:  # noqa: PTH123
                line = next(line for line in stream if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            return None
        return {"memory": int(line.split()[1]) * 1024, "cpu": round(self._seconds() - self._cpu, 6)}

    def _seconds(self) -> float:
        try:
            with open(f"/proc/{self._pid}/stat", "rb") as stream:  # noqa: PTH123  as above
                fields = stream.read().rpartition(b")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def serve(stream: Iterable[bytes], fd: int) -> int:
    """Serve what comes on a stream: a submission in the first line, then one item a line; an end is an event.

    Args:
        stream: The lines, as they come.
        fd: Where events go.

    Returns:
        The exit status.
    """
    from framework_run.supervisor import scratch_of

    requests = Requests()
    processes.adopt_orphans()
    lines = iter(stream)
    submission = json.loads(next(lines))
    with ExitStack() as until_the_end:
        server = Server(submission, LineCarrier(fd), requests, until_the_end.enter_context(scratch_of(submission)))
        until_the_end.callback(server.close)
        for line in lines:
            server.run(json.loads(line))
    return 0
