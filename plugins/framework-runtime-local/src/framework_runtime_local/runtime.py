"""The kind ``local``: a supervisor of its own for each run, on this machine, watched by its lock and its event file."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from framework import interpreters
from framework.errors import BackendError, UsageError
from framework.home import cache_dir, runs_dir
from framework.models import Function
from framework.runtimes import Cursor, Finding, Handle, Observation, Runtime, RuntimeContext, Submission
from framework_run import cgroups, locks
from framework_run.events import Event
from framework_runtime_local import processes, starting
from framework_runtime_local.following import Waker
from framework_runtime_local.observing import observation, same_machine
from framework_runtime_local.spool import Spool, is_final, make, name_of, spools, sweep

_SIGNED: Final = 2.0  # seconds that `cancel` waits for the supervisor to say who it is


class LocalRuntime(Runtime):
    """Runs on this machine.

    Args:
        context: The folders and settings of this installation.
    """

    def __init__(self, context: RuntimeContext) -> None:
        super().__init__(context)
        self._home = Path(context.home)
        self._runs = runs_dir(self._home)
        self._wakers: dict[str, Waker] = {}

    def validate(self, function: Function) -> None:
        """Check what this machine cannot do for the function.

        What says where and in which container other kinds run it (image, placement, volumes, requests and limits) is
        left alone, so that the same Function runs here unchanged.

        Raises:
            UsageError: It asks for several replicas, or for a Python that is not on this machine.
        """
        replicas = function.spec.scale.replicas
        if replicas is not None and replicas > 1:
            raise UsageError(
                f"spec.scale.replicas is {replicas}: the kind local starts one process",
                advice="Leave it out for this run: --set spec.scale.replicas=1",
            )
        try:
            interpreters.find(function.spec.environment.python)
        except BackendError as error:
            raise UsageError(error.message, advice=error.advice) from None

    def preflight(self, function: Function | None = None) -> list[Finding]:
        """Look at the interpreter, the installer of requirements, the home folder, and the paths of volumes."""
        from framework_runtime_local.preflight import findings

        return findings(self._home, function)

    def render(self, submission: Submission) -> dict[str, Any]:
        """The command line and the submission as they would be; secrets are masked."""
        document = self._document(submission)
        secret = submission.function.spec.environment.secrets
        document["env"] = {name: "***" if name in secret else value for name, value in document["env"].items()}
        spool = self._spool(submission.document["run"])
        python = interpreters.find(submission.function.spec.environment.python)
        runner = cache_dir(self._home, "runner") / "…"
        return {"command": starting.command(python, runner, spool.submission), "submission": document}

    def submit(self, submission: Submission) -> Handle:
        """Make the run's spool and start its supervisor, which lives on when this process ends.

        Of an attempt that another process has started already, its handle is returned.

        Raises:
            BackendError: It could not be started; nothing is left behind.
        """
        from framework.engine.archive import run_sides, unpacked

        self._forget()
        document = self._document(submission)
        python = interpreters.find(submission.function.spec.environment.python)
        runner = unpacked(self._home, run_sides(document))
        variables, document["env"] = starting.environment(document, os.environ)
        handle = self._handle(document)
        name = name_of(document["run"])
        try:
            spool, lock = make(self._runs, name, {"submission.json": document, "handle.json": handle})
        except OSError as error:
            started = Spool(self._runs / name)
            if (found := started.read(started.handle)) is not None:
                return found
            raise BackendError(
                f"the run's folder cannot be made in {str(self._runs)!r}: {error.strerror}",
                advice="Make room there, or set FRAMEWORK_HOME to a folder that can be written.",
            ) from error
        try:
            waker = Waker.piped(spool.events)
            words = starting.command(python, runner, spool.submission)
            pid = starting.start(words, variables, spool.log, lock, waker.writer)
        except BaseException:
            os.close(lock)
            spool.remove()
            raise
        processes.remember(pid)
        with contextlib.suppress(OSError):  # for want of room: the supervisor signs it as well, and has words for it
            locks.sign(lock, pid)
        os.close(lock)  # the supervisor has it now
        waker.started()
        self._wakers[name] = waker
        return handle

    def uncollected(self) -> Iterator[tuple[dict[str, Any], Handle]]:
        """The runs whose spool is there, as they were planned; what dead clients left half-done is removed."""
        sweep(self._runs)
        for spool in spools(self._runs):
            handle, submission = spool.read(spool.handle), spool.read(spool.submission)
            if handle is not None and submission is not None and "record" in submission:
                yield submission["record"], handle

    def observe(self, handle: Handle) -> Observation:
        """Whether the supervisor holds its lock; where it does not and has written no end, its rest is ended too."""
        processes.reap()
        return observation(handle)

    def follow(self, handle: Handle, cursor: Cursor, *, wait: bool = True) -> Iterator[tuple[list[Event], Cursor]]:
        """Batches from the event file after ``cursor`` (``{"offset": bytes}``)."""
        spool = Spool(handle["spool"])
        waker = self._wakers.get(spool.path.name) or Waker(spool.events)
        offset = int(cursor.get("offset", 0))
        while True:
            held = spool.held  # looked at before the file is read: what is written afterwards is written by a holder
            events, offset = waker.read(offset)
            if events:
                yield events, {"offset": offset}
                if any(is_final(event) for event in events):
                    return
                waker.awake()
            elif not held or not wait:
                return
            elif waker.wait():
                yield [], {"offset": offset}

    def cancel(self, handle: Handle, grace: float) -> None:
        """Ask the supervisor to end the run; it insists after ``grace`` seconds."""
        if not same_machine(handle):
            raise BackendError(f"the run is on {handle['host']}", advice="End it there: framework abort.")
        spool = Spool(handle["spool"])
        deadline = time.monotonic() + _SIGNED
        while spool.held:
            owner = locks.owner(str(spool.lock))
            if processes.lives(owner):
                try:
                    spool.ask(grace)
                except OSError:
                    return  # it has ended and is being cleaned up
                processes.ask(owner["pid"])
                return
            if owner or time.monotonic() > deadline:
                return  # nobody is there to be asked
            time.sleep(0.01)

    def cleanup(self, handle: Handle) -> None:
        """Remove the attempt's control groups, where its supervisor could not any more, and its spool."""
        spool = Spool(handle["spool"])
        cgroups.remove(set(spool.left_groups()))
        spool.remove()
        self._forget()

    def _forget(self) -> None:
        """Let go of the runs that have been cleaned up, here or by another process."""
        for name in list(self._wakers):  # other threads add theirs meanwhile, and take away
            if not (self._runs / name).exists():
                self._wakers.pop(name, None)
        processes.reap()

    def _spool(self, run: dict[str, Any]) -> Spool:
        return Spool(self._runs / name_of(run))

    def _document(self, submission: Submission) -> dict[str, Any]:
        """The submission as this kind's supervisor gets it."""
        spool = self._spool(submission.document["run"])
        carrier = {
            "type": "file",
            "path": str(spool.events),
            "lock_fd": starting.LOCK_FD,
            "wake_fd": starting.WAKE_FD,
            "abort": str(spool.abort),
            "scratch": str(spool.scratch),
            "groups": str(spool.groups),
        }
        document = {
            **submission.document,
            "carrier": carrier,
            "env": dict(submission.document.get("env") or {}),
            "resources": {**(submission.document.get("resources") or {}), "enforce": True},
        }
        if document.get("requirements"):
            document["environments"] = str(cache_dir(self._home, "envs"))
        return document

    def _handle(self, document: dict[str, Any]) -> Handle:
        grace = (document.get("timeouts") or {}).get("grace")
        return {
            "kind": "local",
            "version": 1,
            "spool": str(self._spool(document["run"]).path),
            "host": platform.node(),
            "boot": locks.boot_id(),
            "run": document["run"],
            **({} if grace is None else {"grace": grace}),
        }
