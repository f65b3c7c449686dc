"""What is known of a run from outside: its lock, its event file, what its supervisor printed, who is left."""

from __future__ import annotations

import platform

from framework.runtimes import Handle, Observation
from framework_run import ends, locks
from framework_runtime_local import processes
from framework_runtime_local.spool import Spool

_LONGEST = 300  # characters of evidence


def same_machine(handle: Handle) -> bool:
    """Whether a handle's run is, or was, on this machine."""
    return bool(handle["boot"] == locks.boot_id() or handle["host"] == platform.node())


def observation(handle: Handle) -> Observation:
    """Whether a run's supervisor lives, and where it does not and left no end, how the run has ended.

    What remains of a run without a supervisor is killed, so that nothing goes on unwatched.
    """
    spool = Spool(handle["spool"])
    if handle["boot"] != locks.boot_id():
        return _elsewhere(handle, spool)
    if spool.held and not _stray(handle, spool):
        return Observation(alive=True)
    if spool.final_end() is not None:
        return Observation(alive=False)
    processes.end_members(handle["run"])
    return Observation(alive=False, end=_evidence(spool))


def _elsewhere(handle: Handle, spool: Spool) -> Observation:
    if handle["host"] != platform.node():
        return Observation(alive=None)
    if spool.final_end() is not None:
        return Observation(alive=False)
    return Observation(alive=False, end=ends.lost("the machine was restarted while it ran"))


def _stray(handle: Handle, spool: Spool) -> bool:
    """Whether the lock is held by a process that is not the supervisor.

    A copy of the client that was forked while it submitted may have inherited the lock without knowing. Then the
    process that signed the lock is gone, and no process of the run is left. (A lock that nobody has signed belongs to a
    supervisor that begins.)
    """
    owner = locks.owner(str(spool.lock))
    return bool(owner) and not processes.lives(owner) and not processes.members(handle["run"])


def _evidence(spool: Spool) -> ends.Ending:
    """The end of a run without a supervisor, from what the supervisor printed."""
    if not spool.path.is_dir():
        return ends.lost("its folder is gone, and with it what it has recorded since")
    try:
        lines = spool.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ends.lost("its supervisor was never started: the client ended before")
    if lines:
        return ends.backend(f"the supervisor ended: {lines[-1].strip()[:_LONGEST]}")
    pid = locks.owner(str(spool.lock)).get("pid")
    return ends.lost(f"its supervisor{f' (pid {pid})' if pid else ''} is gone and left no final record")
