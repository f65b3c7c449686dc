"""The local runtime: a supervisor of this machine's, and a spool folder that says everything."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framework.engine.archive import unpacked
from framework.errors import BackendError, UsageError
from framework.home import cache_dir, runs_dir
from framework.models import Function
from framework.runtimes import Cursor, Finding, Handle, Observation, Runtime, Submission
from framework_run import ends, eventfile, locks
from framework_run.events import Event
from framework_runtime_local.waiting import Waiter



class LocalRuntime(Runtime):
    """Runs functions as processes of this machine.

    What a container has (image, placement, volumes) says nothing here and is passed over, so that the same Function runs everywhere.
    """

    def validate(self, function: Function) -> None:
        """Check what this machine has to give."""
        workdir = function.spec.code.workdir
        if workdir and not Path(workdir).is_dir():
            raise UsageError(f"spec.code.workdir is {workdir!r}, which is no folder", advice="Name a folder that is there.")
        if function.spec.environment.secrets:
            name = next(iter(function.spec.environment.secrets))
            raise UsageError(
                f"spec.environment.secrets has {name!r}, and the local runtime resolves no secrets",
                advice="Set the variable in the environment that you run it from.",
            )

    def preflight(self, function: Function | None = None) -> list[Finding]:  # noqa: ARG002  the same for all
        """Python, and what installs requirements."""
        uv = shutil.which("uv")
        tool = f"uv ({uv})" if uv else "pip"
        return [
            Finding(subject="python", ok=True, message=f"{platform.python_version()} ({sys.executable})"),
            Finding(subject="requirements", ok=True, message=f"installed by {tool}"),
        ]

    def render(self, submission: Submission) -> Any:
        """The submission, and the command that runs it."""
        document = {name: part for name, part in submission.document.items() if name != "record"}
        return {"command": ["python", "-I", "RUNNER", "submission.json"], "submission": document}

    def submit(self, submission: Submission) -> Handle:
        """Start a supervisor; its lock is held from before the run can be seen."""
        spool = runs_dir(Path(self.context.home)) / submission.uid
        try:
            return self._submit(submission, spool)
        except OSError as error:
            shutil.rmtree(spool, ignore_errors=True)
            raise BackendError(
                f"the run could not be started: {error}", advice="Check that FRAMEWORK_HOME is writable and has room."
            ) from error
        except BaseException:
            shutil.rmtree(spool, ignore_errors=True)
            raise

    def _submit(self, submission: Submission, spool: Path) -> Handle:
        archive = unpacked(Path(self.context.home), _plugins(submission.document))
        python = self._python(submission.document)
        spool.mkdir(parents=True)
        lock = locks.hold(str(spool / "lock"))
        reader, writer = os.pipe()
        handle = self._handle(submission, spool)
        carrier = {"type": "file", "path": str(spool / "events"), "lock_fd": lock, "wake_fd": writer}
        document = {**submission.document, "carrier": carrier, "handle": handle}
        try:
            _write_whole(spool / "submission.json", json.dumps(document))
            pid = self._start([python, "-I", str(archive), str(spool / "submission.json")], spool, (lock, writer))
            locks.sign(lock, pid)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(lock)
            os.close(writer)
        Waiter.expect(submission.uid, reader)
        return handle

    def _start(self, words: list[str], spool: Path, inherited: tuple[int, ...]) -> int:
        with (spool / "supervisor.log").open("wb") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=inherited, start_new_session=True
            )
        process.returncode = 0  # nobody waits for it: it outlives this client
        return process.pid

    def _python(self, document: dict[str, Any]) -> str:
        """The interpreter: this one, or that of an environment with the requirements."""
        if not document.get("requirements"):
            return sys.executable
        from framework_run.environments import ensure

        cache = cache_dir(Path(self.context.home), "envs")
        return ensure(document["requirements"], sys.executable, str(cache), _report)

    def _handle(self, submission: Submission, spool: Path) -> Handle:
        return {
            "kind": "local",
            "version": 1,
            "uid": submission.uid,
            "spool": str(spool),
            "host": platform.node(),
            "boot": locks.boot_id(),
            "grace": submission.document["timeouts"].get("grace"),
        }

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The runs whose spool is still there."""
        for path in sorted(runs_dir(Path(self.context.home)).glob("*/submission.json")):
            try:
                document = json.loads(path.read_bytes())
                yield document["record"], document["handle"]
            except (OSError, ValueError, KeyError):
                continue  # it is being made, or being removed

    def observe(self, handle: Handle) -> Observation:
        """The lock says whether the supervisor lives; an age never does."""
        if handle["host"] != platform.node():
            return Observation(alive=None)
        spool = Path(handle["spool"])
        if handle["boot"] == locks.boot_id() and locks.is_held(str(spool / "lock")):
            return Observation(alive=True)
        if handle["boot"] != locks.boot_id():
            return Observation(alive=False, end=ends.lost("the machine has been restarted since"))
        _stop_remains(handle["uid"])
        return Observation(alive=False, end=self._evidence(spool))

    def _evidence(self, spool: Path) -> dict[str, Any]:
        try:
            said = (spool / "supervisor.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            said = []
        if said:
            return ends.backend(f"the supervisor ended without a record: {said[-1]}")
        return ends.lost("the supervisor is gone and left no final record")

    def follow(self, handle: Handle, cursor: Cursor, *, wait: bool = True) -> Iterator[tuple[list[Event], Cursor]]:
        """Read the event file on, and wait for more while the supervisor lives."""
        spool = Path(handle["spool"])
        offset = int(cursor.get("offset", 0))
        waiter = Waiter(handle["uid"]) if wait else None
        try:
            while True:
                alive = waiter is not None and locks.is_held(str(spool / "lock"))  # asked before the last look
                events, offset = eventfile.read(str(spool / "events"), offset)
                if events:
                    yield events, {"offset": offset}
                    if any(event["kind"] == "end" and not event.get("child") for event in events):
                        return
                    continue
                if waiter is None or not alive:
                    return
                if waiter.wait():
                    yield [], {"offset": offset}
        finally:
            if waiter is not None:
                waiter.close()

    def cancel(self, handle: Handle, grace: float) -> None:
        """Signal the supervisor, if it is the one that was started: once to ask, twice to end at once."""
        owner = locks.owner(str(Path(handle["spool"]) / "lock"))
        pid = owner.get("pid")
        if not pid or handle["host"] != platform.node() or owner.get("start") != locks.start_time(pid):
            return
        for number in range(1 if grace > 0 else 2):
            if number:
                time.sleep(0.05)  # two signals at once are one
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                return

    def cleanup(self, handle: Handle) -> None:
        """Remove the spool."""
        shutil.rmtree(handle["spool"], ignore_errors=True)


def _plugins(document: dict[str, Any]) -> list[str]:
    """The plugins whose run side a submission uses."""
    storage = (document.get("artifacts") or {}).get("storage") or {}
    words = str(storage.get("target", "")).split(".")
    return [words[2]] if words[:2] == ["framework_run", "plugins"] else []


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _stop_remains(uid: str) -> None:
    """Kill what a dead supervisor has left running: processes whose environment names the run."""
    mark = f"FRAMEWORK_RUN_UID={uid}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue  # it is gone, or somebody else's
