from __future__ import annotations

import os
import sys
import threading
import time
import uuid

import pytest

from framework.uid import new_uid
from framework_run import uid as implementation


def test_it_is_a_uuid_of_version_7_made_now() -> None:
    parsed = uuid.UUID(new_uid())
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert abs((parsed.int >> 80) / 1000 - time.time()) < 5


def test_later_ones_are_greater() -> None:
    made = [new_uid() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_a_clock_that_steps_back_does_not_change_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = new_uid()
    monkeypatch.setattr(implementation.time, "time_ns", lambda: 0)
    assert new_uid() > before


def test_threads_never_share_one() -> None:
    made: list[str] = []

    def work() -> None:
        made.extend([new_uid() for _ in range(2_000)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.skipif(sys.version_info >= (3, 12) and threading.active_count() > 1, reason="fork warns beside threads")
def test_a_fork_makes_its_own_even_where_the_lock_was_held() -> None:
    reader, writer = os.pipe()
    with implementation._lock:
        child = os.fork()
        if child == 0:
            os.write(writer, new_uid().encode())
            os._exit(0)
    own = new_uid()
    os.waitpid(child, 0)
    assert len(theirs := os.read(reader, 100).decode()) == 36
    assert theirs != own
    os.close(reader)
    os.close(writer)
