"""The suite of databases: many processes, threads and forked children at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from framework.conditions import parse
from framework.databases import Database, RunQuery
from framework.engine.notes import note
from framework.testing.database_bed import DatabaseBed, Reopen, producer_of, run_document, uid_of, whole_run
from framework.testing.database_writer import write
from framework_run import ends

PROCESSES = 8


class ConcurrencySuite(DatabaseBed):
    """No error, nothing lost, nothing twice."""

    def test_many_processes_write_at_once(self, database: Database) -> None:
        _check_writers(database, 40)

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def test_eight_processes_write_a_thousand_runs_each(self, database: Database) -> None:
        _check_writers(database, 1_000)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_forked_child_writes_beside_its_parent(self, database: Database) -> None:
        (process,) = _clients(database, "fork", 25, processes=1)
        assert _ended(process) == ""
        found = Counter(run["spec"]["params"]["pid"] for run in database.runs(RunQuery(limit=None)))
        assert sorted(found.values()) == [25, 27]

    def test_many_threads_share_a_database(self, database: Database) -> None:
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(write, database, 20) for _ in range(8)]:
                done.result()
        assert database.count_runs(RunQuery(states=["completed"])) == 160

    def test_the_same_events_from_many_clients_count_once(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        database.create_run(run)
        producer = producer_of(run)
        events = []
        for step in range(30):
            data = {"key": "loss", "steps": [step], "values": [1.0], "times": [0.0]}
            events.append(producer.event("metric", data))
            events.append(producer.event("log", {"stream": "stdout", "text": f"{step}\n"}))
        together = threading.Barrier(4)

        def deliver(client: Database) -> None:
            together.wait()
            for start in range(0, len(events), 6):
                client.apply(uid_of(run), events[start : start + 6], cursor={"offset": start})

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(deliver, client) for client in (database, reopen(), reopen(), reopen())]:
                done.result()
        assert [step for step, _, _ in database.metric(uid_of(run), "loss")] == list(range(30))
        written = b"".join(chunk.data for chunk in database.log(uid_of(run)))
        assert sorted(map(int, written.split())) == list(range(30))

    def test_events_of_many_runs_from_many_clients_count_once(self, database: Database, reopen: Reopen) -> None:
        runs = [run_document() for _ in range(40)]
        database.create_runs(runs)
        events = {uid_of(run): whole_run(run) for run in runs}
        together = threading.Barrier(3)

        def deliver(client: Database, uids: list[str]) -> None:
            for until in (4, 10):  # the second time they remember what others have changed
                together.wait()
                client.apply_all({uid: events[uid][:until] for uid in uids})

        orders = [list(events), list(events)[::-1], list(events)[20:] + list(events)[:20]]
        with ThreadPoolExecutor(3) as pool:
            clients = (database, reopen(), reopen())
            for done in [pool.submit(deliver, *each) for each in zip(clients, orders, strict=True)]:
                done.result()
        for uid in events:
            assert database.run(uid)["status"]["state"] == "completed"
            assert b"".join(chunk.data for chunk in database.log(uid)) == b"one\ntwo\n"
            assert len(database.metric(uid, "loss")) == 2

    def test_a_client_that_is_killed_leaves_runs_whole_or_untouched(self, database: Database) -> None:
        (process,) = _clients(database, "together", 1_000_000, processes=1)
        try:
            deadline = time.monotonic() + 60
            while database.count_runs(RunQuery()) < 90:  # some batches are through
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            process.kill()
            process.communicate()
        found, before = _states(database), {"": "unknown"}
        while found != before:  # a server may still commit what a client that is gone has told it
            logs = {uid: b"".join(chunk.data for chunk in database.log(uid)) for uid in found}
            found, before = _states(database), found
        assert set(found.values()) <= {"created", "completed"}
        assert logs == {uid: b"one\ntwo\n" if state == "completed" else b"" for uid, state in found.items()}

    def test_of_many_clients_that_claim_an_attempt_one_has_it(self, database: Database, reopen: Reopen) -> None:
        run = run_document(retry={"attempts": 2, "backoff": 0})
        database.create_run(run)
        database.apply(uid_of(run), [producer_of(run).event("end", ends.lost("gone"))])
        clients = [database, reopen(), reopen(), reopen()]
        together = threading.Barrier(len(clients))

        def claim(client: Database, token: str) -> bool:
            data = {"state": "pending", "claim": {"token": token, "time": 0.0}}
            together.wait()
            after = client.apply(uid_of(run), [note(uid_of(run), 2, "state", data)], durable=True)
            return bool(after["status"]["retry"]["claim"]["token"] == token)

        with ThreadPoolExecutor(len(clients)) as pool:
            made = [pool.submit(claim, client, str(number)) for number, client in enumerate(clients)]
            assert sorted(done.result() for done in made) == [False, False, False, True]

    def test_queries_beside_writers_miss_nothing(self, database: Database, reopen: Reopen) -> None:
        run = run_document(created=1.0, params={"steady": 1})
        database.create_run(run)
        stop = threading.Event()

        def change() -> None:
            client, producer = reopen(), producer_of(run)
            while not stop.is_set():
                client.apply(uid_of(run), [producer.event("result", {"values": {"loss": producer.seq}})])

        writer = threading.Thread(target=change)
        writer.start()
        try:
            found = [database.count_runs(RunQuery(conditions=parse("params.steady = 1"))) for _ in range(100)]
        finally:
            stop.set()
            writer.join()
        assert set(found) == {1}


def _states(database: Database) -> dict[str, str]:
    return {uid_of(run): run["status"]["state"] for run in database.runs(RunQuery(limit=None))}


def _check_writers(database: Database, count: int) -> None:
    """Many processes write; no process fails, and every run is there once and whole."""
    for process in _clients(database, "write", count, processes=PROCESSES):
        assert _ended(process) == ""
    found = Counter(run["spec"]["params"]["pid"] for run in database.runs(RunQuery(states=["completed"], limit=None)))
    assert sorted(found.values()) == [count] * PROCESSES
    assert database.count_runs(RunQuery()) == PROCESSES * count


def _clients(database: Database, task: str, count: int, *, processes: int) -> list[subprocess.Popen[str]]:
    """Processes that have the database open and begin together."""
    target = f"{type(database).__module__}:{type(database).__qualname__}"
    command = [sys.executable, "-m", "framework.testing.database_writer", target, database.url, task, str(count)]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # ours, and awaited in `_ended`
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n", process.stderr.read() if process.stderr else ""
    for process in started:
        assert process.stdin is not None
        process.stdin.write("begin\n")
        process.stdin.flush()
    return started


def _ended(process: subprocess.Popen[str]) -> str:
    """What a client complained of; empty for one that ended well."""
    _, errors = process.communicate()
    return errors if process.returncode or errors else ""
