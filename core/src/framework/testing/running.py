"""What the runtime suite starts and what it gets back: submissions, and runs that have ended."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pytest

from framework.engine.defaults import under
from framework.models import Function
from framework.runtimes import Capability, Cursor, Handle, Runtime, RuntimeContext, Submission
from framework_run.events import Event, observed_end
from framework_run.uid import new_uid

PATIENCE = 60.0
"""Seconds within which a run of the suite has to end; an end that does not come is a failure, never a longer wait."""

Start = Callable[..., "Live"]
Run = Callable[..., "Ran"]


class Ran:
    """A run that has ended, as the events tell.

    Args:
        submission: What was submitted.
        handle: What `Runtime.submit` returned.
        events: Every event, in the order of arrival.
        cursors: How many events there were at each cursor.
    """

    def __init__(
        self, submission: Submission, handle: Handle, events: list[Event], cursors: list[tuple[int, Cursor]]
    ) -> None:
        self.submission = submission
        self.handle = handle
        self.events = events
        self.cursors = cursors

    @cached_property
    def merged(self) -> Any:
        """What the merge rule makes of the events."""
        from framework.engine.apply import merge

        run = self.submission.document["run"]
        document = {
            "metadata": {name: run[name] for name in ("uid", "name", "project")},
            "spec": {"kind": self.submission.function.kind},
            "status": {"state": "created", "created": time.time()},
        }
        return merge(document, {}, self.events)

    @property
    def status(self) -> dict[str, Any]:
        """The run's status."""
        found: dict[str, Any] = self.merged.document["status"]
        return found

    @property
    def state(self) -> str:
        """The run's state."""
        return str(self.status["state"])

    @property
    def cause(self) -> str | None:
        """The cause of its end."""
        return self.status.get("cause")

    @property
    def results(self) -> dict[str, Any]:
        """Its results."""
        return dict(self.status.get("results", {}))

    def log(self, stream: str = "stdout") -> bytes:
        """What was written to a stream."""
        return b"".join(chunk.data for chunk in self.merged.log if chunk.stream == stream)

    def data(self, kind: str) -> list[dict[str, Any]]:
        """The data of its events of a kind, without those of children."""
        return [event["data"] for event in self.events if event["kind"] == kind and not event.get("child")]

    def __repr__(self) -> str:
        """What a failing assertion shows."""
        status = {name: self.status.get(name) for name in ("state", "cause", "message", "gaps", "results", "traceback")}
        return f"<Ran {json.dumps(status)} stderr={self.log('stderr')[-500:]!r}>"


class Live:
    """A run that was started.

    Args:
        runtime: The runtime that has it.
        submission: What was submitted.
        handle: What `Runtime.submit` returned; kept as it would be in a database.
    """

    def __init__(self, runtime: Runtime, submission: Submission, handle: Handle) -> None:
        self.runtime = runtime
        self.submission = submission
        self.handle: Handle = json.loads(json.dumps(handle))
        self.events: list[Event] = []
        self.cursors: list[tuple[int, Cursor]] = []
        self._deadline = time.monotonic() + PATIENCE

    @property
    def cursor(self) -> Cursor:
        """How far it has been followed."""
        return self.cursors[-1][1] if self.cursors else {}

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Follow it until an event comes; fails where none does."""
        for event in self.events:
            if wanted(event):
                return event
        for events in self._follow(wait=True):
            for event in events:
                if wanted(event):
                    return event
        raise AssertionError(f"the run ended without the event: {self.so_far()!r}")

    def printed(self, text: str) -> None:
        """Follow it until it has printed something."""
        said: list[str] = []

        def found(event: Event) -> bool:
            if event["kind"] == "log":
                said.append(event["data"]["text"])
            return text in "".join(said)

        self.until(found)

    def finish(self) -> Ran:
        """Follow it to its end, as the engine does: what no event tells, the runtime is asked for."""
        while True:
            for _ in self._follow(wait=True):
                pass
            if self._final():
                return self.so_far()
            seen = self.runtime.observe(self.handle)
            if seen.alive is False:
                for _ in self._follow(wait=False):
                    pass
                if not self._final() and seen.end is not None:
                    self.events.append(observed_end(self.submission.document["run"], dict(seen.end)))
                return self.so_far()
            self._check()
            time.sleep(0.02)

    def so_far(self) -> Ran:
        """What has come back yet."""
        return Ran(self.submission, self.handle, list(self.events), list(self.cursors))

    def another(self) -> Live:
        """The same run seen from another runtime object, from the beginning, as another process would."""
        return Live(type(self.runtime)(self.runtime.context), self.submission, self.handle)

    def _follow(self, *, wait: bool) -> Iterator[list[Event]]:
        for events, cursor in self.runtime.follow(self.handle, self.cursor, wait=wait):
            self.events += events
            self.cursors.append((len(self.events), json.loads(json.dumps(cursor))))
            yield events
            self._check()

    def _final(self) -> bool:
        return any(
            event["kind"] == "end" and not event.get("child") and not event["data"].get("provisional")
            for event in self.events
        )

    def _check(self) -> None:
        if time.monotonic() > self._deadline:
            raise AssertionError(f"the run has not ended in {PATIENCE:g} s: {self.so_far()!r}")


def archive(files: dict[str, str | bytes]) -> str:
    """Files as the ``code.archive`` of a submission."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


def submission(kind: str, code: str, **over: Any) -> Submission:
    """A submission that carries its code, as for a machine that shares nothing with this one.

    Args:
        kind: The runtime kind.
        code: The text of ``job.py``; its handler is ``main``.
        over: Parts of the document to replace; ``handler``, ``command`` and ``files`` replace those of the code.
    """
    command = over.pop("command", None)
    handler = None if command else over.pop("handler", "main")
    files = {"job.py": code, **over.pop("files", {})}
    run = {"uid": new_uid(), "name": "job", "project": "default", "iteration": 0, "attempt": 1, "rank": 0}
    document: dict[str, Any] = {
        "version": 1,
        "run": run,
        "function": {"name": "job", "kind": kind, "version": f"sha256:{'0' * 64}"},
        "code": {
            "folder": None,
            "archive": archive(files),
            "module": "job",
            "file": "job.py",
            "handler": handler,
            "command": command,
        },
        "params": {},
        "raw": [],
        "inputs": {},
        "returns": [],
        "env": {},
        "workdir": None,
        "requirements": [],
        "labels": {},
        "artifacts": {},
        "wrappers": [],
        "token": os.urandom(8).hex(),
        "heartbeat": None,
        "timeouts": {"run": None, "grace": 10},
        "resources": {"limits": {}},
        "secrets": {},
        "record": {
            "metadata": {name: run[name] for name in ("uid", "name", "project")},
            "spec": {"kind": kind},
            "status": {"state": "created", "created": time.time()},
        },
    }
    unknown = set(over) - set(document)
    if unknown:
        raise TypeError(f"a submission has no {sorted(unknown)}")
    return Submission(document={**document, **copy.deepcopy(over)}, function=Function(kind=kind))


class RuntimeCase:
    """What every part of the suite works with. Override ``kind``, and the fixture ``runtime`` where more is needed.

    Attributes:
        kind: The name under which the plugin registers its runtime.
    """

    kind: ClassVar[str] = ""
    keeps_environments: ClassVar[bool] = True

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """The FRAMEWORK_HOME of a test."""
        return tmp_path / "home"

    @pytest.fixture
    def runtime(self, home: Path) -> Iterator[Runtime]:
        """The runtime under test: the registered one with the settings of its home, closed behind the test."""
        from framework.plugins.manager import Plugins
        from framework.settings import runtime_table

        runtime = Plugins().runtime(self.kind, RuntimeContext(home=str(home), settings=runtime_table(self.kind, home)))
        yield runtime
        runtime.close()

    @pytest.fixture
    def start(self, runtime: Runtime) -> Iterator[Start]:
        """Submits code; what is still alive at the end of the test is ended."""
        started: list[Live] = []

        def begin(code: str, **over: Any) -> Live:
            planned = submission(self.kind, code, **over)
            planned.function = under(runtime.defaults, planned.function)
            runtime.validate(planned.function)
            live = Live(runtime, planned, runtime.submit(planned))
            started.append(live)
            return live

        yield begin
        for live in started:
            if runtime.observe(live.handle).alive is not False:
                runtime.cancel(live.handle, 0)
                live.finish()
            runtime.cleanup(live.handle)

    @pytest.fixture
    def run(self, start: Start) -> Run:
        """Submits code and follows it to its end."""

        def to_the_end(code: str, **over: Any) -> Ran:
            live: Live = start(code, **over)
            return live.finish()

        return to_the_end

    def url_of(self, path: Path) -> str:
        """The URL of a file of this machine, as a run can read it. Override it for runs that see no files of here."""
        return path.as_uri()

    def needs(self, *capabilities: Capability) -> None:
        """Skip a test of what the kind does not claim."""
        from framework.plugins.manager import Plugins

        claimed = Plugins().runtimes()[self.kind].item.capabilities
        for capability in capabilities:
            if capability not in claimed:
                pytest.skip(f"the kind {self.kind} does not claim {capability!r}")
