"""The kernel's lock says who lives, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework_run import locks


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


@pytest.fixture
def held(path: str) -> Iterator[int]:
    fd = locks.hold(path)
    yield fd
    os.close(fd)


def test_a_lock_that_is_not_there_is_not_held(path: str) -> None:
    assert not locks.is_held(path)
    assert not Path(path).exists()


def test_a_lock_is_held_until_it_is_let_go(path: str) -> None:
    fd = locks.hold(path)
    assert locks.is_held(path)
    os.close(fd)
    assert not locks.is_held(path)


def test_two_processes_cannot_hold_it(path: str, held: int) -> None:
    with pytest.raises(BlockingIOError, match="another process holds"):
        locks.hold(path)


def test_it_says_whose_it_is(path: str, held: int) -> None:
    assert locks.owner(path) == {
        "pid": os.getpid(),
        "start": locks.start_time(os.getpid()),
        "boot": locks.boot_id(),
    }


def test_another_owner_replaces_the_first(path: str, held: int) -> None:
    locks.sign(held, 10**8)
    locks.sign(held, 7)
    assert locks.owner(path)["pid"] == 7


def test_a_lock_that_nobody_signed_has_no_owner(path: str) -> None:
    Path(path).touch()
    assert locks.owner(path) == {}


def test_a_process_that_inherits_the_descriptor_holds_it(path: str) -> None:
    fd = locks.hold(path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[fd])
    os.close(fd)
    try:
        assert locks.is_held(path)
    finally:
        child.communicate(b"\n", timeout=30)
    assert not locks.is_held(path)


def test_a_death_lets_it_go(path: str) -> None:
    source = f"from framework_run import locks\nlocks.hold({path!r})\nprint(flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert locks.is_held(path)
    child.kill()
    child.communicate(timeout=30)
    assert not locks.is_held(path)


def test_looking_at_a_lock_does_not_keep_others_from_taking_it(path: str) -> None:
    Path(path).touch()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            locks.is_held(path)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(200):
            os.close(locks.hold(path))
    finally:
        stop.set()
        for looker in lookers:
            looker.join()


def test_a_process_that_is_gone_has_no_start(path: str) -> None:
    child = subprocess.Popen(["true"])
    child.wait(30)
    assert locks.start_time(child.pid) == ""
    assert locks.start_time(os.getpid()) != ""


def test_a_file_that_is_removed_before_it_is_locked_is_made_anew(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [Path.unlink, lambda _path: None]  # the first time somebody takes it for nobody's
    lock = locks._try

    def late(fd: int, operation: int) -> bool:
        ways.pop(0)(Path(path))
        return lock(fd, operation)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "_try", late)
        fd = locks.hold(path)
    assert ways == []
    assert locks.is_held(path)
    os.close(fd)
