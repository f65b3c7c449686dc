"""The spool: visible only when it is whole and locked, removed without a trace."""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from framework_run import eventfile, locks
from framework_run.events import Producer, observed_end
from framework_runtime_local.following import Waker
from framework_runtime_local.spool import Spool, make, spools, sweep

RUN = {"uid": "0198"}


def test_it_is_whole_and_locked_when_it_is_seen(tmp_path):
    spool, lock = make(tmp_path / "runs", "0198", {"submission.json": {"a": 1}})
    try:
        assert [found.path for found in spools(tmp_path / "runs")] == [spool.path]
        assert spool.read(spool.submission) == {"a": 1}
        assert spool.held
        assert locks.owner(str(spool.lock)) == {}  # nobody is to be sent a signal yet
    finally:
        os.close(lock)
    assert not spool.held


def test_others_cannot_read_what_it_holds(tmp_path):
    spool, lock = make(tmp_path / "runs", "0198", {"submission.json": {"env": {"TOKEN": "secret"}}})
    os.close(lock)
    assert spool.path.stat().st_mode & 0o077 == 0
    assert spool.submission.stat().st_mode & 0o077 == 0


def test_what_cannot_be_made_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        make(tmp_path / "runs", "0198", {"submission.json": {"a": object()}})
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_second_spool_of_a_run_is_refused(tmp_path):
    spool, lock = make(tmp_path / "runs", "0198", {"submission.json": {"first": True}})
    os.close(lock)
    with pytest.raises(OSError, match="0198"):
        make(tmp_path / "runs", "0198", {"submission.json": {"first": False}})
    assert spool.read(spool.submission) == {"first": True}
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["0198"]


def test_runs_that_end_at_once_are_cleaned_up_by_several_threads(runtime, home):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for _ in range(20):
                names = [f"0198{number}" for number in range(8)]
                for name in names:
                    spool, lock = make(home / "runs", name, {})
                    os.close(lock)
                    runtime._wakers[name] = Waker.piped(spool.events)
                list(threads.map(runtime.cleanup, [{"spool": str(home / "runs" / name)} for name in names]))
                assert runtime._wakers == {}
    finally:
        sys.setswitchinterval(before)


def test_litter_of_dead_clients_is_swept_and_nothing_else(tmp_path):
    runs = tmp_path / "runs"
    os.close(make(runs, "0198", {})[1])
    for name in (".old", ".new", ".held", ".removed.gone"):
        (runs / name).mkdir()
    held = locks.hold(str(runs / ".held" / "lock"))
    ancient = time.time() - 86_400
    for name in ("0198", ".old", ".held"):
        os.utime(runs / name, (ancient, ancient))
    sweep(runs)
    os.close(held)
    assert {path.name for path in runs.iterdir()} == {"0198", ".new", ".held"}


def test_removing_twice_is_removing_once(tmp_path):
    spool, lock = make(tmp_path / "runs", "0198", {})
    os.close(lock)
    spool.remove()
    spool.remove()
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_final_end_is_found_behind_much_else(tmp_path):
    spool = Spool(tmp_path)
    producer, file = Producer(RUN), eventfile.EventFile(str(spool.events))
    file.write(producer.event("log", {"stream": "stdout", "text": "x" * 3_000_000}))
    file.write(producer.event("end", {"state": "completed"}, child="0199"))
    assert spool.final_end() is None
    file.write(producer.event("end", {"state": "completed"}))
    file.close()
    found = spool.final_end()
    assert found is not None
    assert found["seq"] == 3


def test_an_observers_end_is_not_final(tmp_path):
    spool, file = Spool(tmp_path), eventfile.EventFile(str(tmp_path / "events"))
    file.write(observed_end(RUN, {"state": "failed"}))
    file.close()
    assert spool.final_end() is None


def test_a_torn_end_is_none(tmp_path):
    spool, file = Spool(tmp_path), eventfile.EventFile(str(tmp_path / "events"))
    file.write(Producer(RUN).event("end", {"state": "completed"}))
    file.close()
    spool.events.write_bytes(spool.events.read_bytes()[:-5])
    assert spool.final_end() is None


def test_a_document_that_is_not_whole_is_none(tmp_path):
    spool = Spool(tmp_path)
    assert spool.read(spool.handle) is None
    spool.handle.write_text('{"kind": ')
    assert spool.read(spool.handle) is None
    spool.handle.write_text(json.dumps([1]))
    assert spool.read(spool.handle) is None
