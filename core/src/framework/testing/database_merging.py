"""The suite of databases: what a merge takes out of one and brings into another."""

from __future__ import annotations

from typing import Any

from framework.databases import Database, RunRecord
from framework.testing.database_bed import (
    DatabaseBed,
    Reopen,
    function_document,
    producer_of,
    run_document,
    uid_of,
    whole_run,
)
from framework_run.events import Event, Producer


class MergingSuite(DatabaseBed):
    """A run is taken out whole, and brought in once."""

    def test_a_run_is_taken_out_and_brought_in_whole(self, database: Database) -> None:
        run = _kept(database)
        record = database.dump_run(uid_of(run))
        before = _everything(database, run)
        database.delete_runs([uid_of(run)])
        assert database.load_runs([record]) == [True]
        assert _everything(database, run) == before
        assert database.load_runs([record]) == [False]
        assert _everything(database, run) == before

    def test_what_was_brought_in_goes_on(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        events = whole_run(run)
        database.create_run(run, handle={"kind": "local", "version": 1})
        database.apply(uid_of(run), events[:4], cursor={"offset": 4})
        record = database.dump_run(uid_of(run))
        database.delete_runs([uid_of(run)])
        database.load_runs([record])
        active = reopen().active_run(uid_of(run))
        assert (active.handle, active.cursor) == ({"kind": "local", "version": 1}, {"offset": 4})
        assert [each.uid for each in database.active_runs()] == [uid_of(run)]
        assert reopen().apply(uid_of(run), events)["status"]["state"] == "completed"
        assert database.active_runs() == []

    def test_two_parts_of_a_run_become_one(self, database: Database) -> None:
        run = run_document(created=1.0)
        events = whole_run(run)
        parts = []
        for part in (events[:1] + events[5:], events[:7]):
            database.create_run(run)
            database.apply(uid_of(run), part)
            parts.append(database.dump_run(uid_of(run)))
            database.delete_runs([uid_of(run)])
        found = []
        for order in (parts, parts[::-1]):
            assert [database.load_runs([part]) for part in [*order, *order]] == [[True], [True], [False], [False]]
            found.append(_everything(database, run))
            database.delete_runs([uid_of(run)])
        database.create_run(run)
        database.apply(uid_of(run), events)
        assert found == [_everything(database, run)] * 2

    def test_a_run_that_changed_meanwhile_keeps_both(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        events = whole_run(run)
        database.create_run(run)
        database.apply(uid_of(run), events[:3])
        record = reopen().dump_run(uid_of(run))
        database.apply(uid_of(run), events[3:6])
        assert reopen().load_runs([record]) == [False]
        assert database.apply(uid_of(run), events[6:])["status"]["state"] == "completed"

    def test_long_output_comes_back_byte_for_byte(self, database: Database) -> None:
        run = run_document()
        producer = producer_of(run)
        database.create_run(run)
        written = b""
        for number in range(12):
            piece = bytes([number]) * 30_000
            written += piece
            text = piece.decode("utf-8", "surrogateescape")
            database.apply(uid_of(run), [producer.event("log", {"stream": "stdout", "text": text})])
        record = database.dump_run(uid_of(run))
        database.delete_runs([uid_of(run)])
        database.load_runs([record])
        assert b"".join(chunk.data for chunk in database.log(uid_of(run))) == written

    def test_runs_are_brought_in_all_or_none(self, database: Database) -> None:
        first, second = _kept(database), _kept(database)
        records = [database.dump_run(uid_of(run)) for run in (first, second)]
        database.delete_runs([uid_of(first), uid_of(second)])
        broken: Any = RunRecord(document={**records[1].document, "metadata": {"uid": uid_of(second)}}, artifacts=[{}])
        try:
            database.load_runs([records[0], broken])
        except KeyError:
            assert list(database.run_stamps()) == []
        else:
            raise AssertionError("a record that is none was taken")
        assert database.load_runs(records) == [True, True]

    def test_stamps_are_those_of_the_events(self, database: Database) -> None:
        run, other = run_document(created=1.0), run_document(created=2.0, project="vision")
        database.create_run(run)
        database.create_run(other)
        before = dict(database.run_stamps())
        assert list(before) == [uid_of(run), uid_of(other)]
        assert list(database.run_stamps("vision")) == [(uid_of(other), before[uid_of(other)])]
        database.apply(uid_of(run), whole_run(run))
        after = dict(database.run_stamps())
        assert after[uid_of(run)] != before[uid_of(run)]
        assert after[uid_of(other)] == before[uid_of(other)]
        record = database.dump_run(uid_of(run))
        database.delete_runs([uid_of(run)])
        database.load_runs([record])
        assert dict(database.run_stamps()) == after

    def test_children_are_taken_out_by_themselves(self, database: Database) -> None:
        run, child = run_document(), run_document()
        producer = producer_of(run)
        database.create_run(run)
        database.apply(uid_of(run), _with_child(producer, uid_of(child)))
        records = [database.dump_run(uid) for uid, _ in database.run_stamps()]
        before = [_everything(database, each) for each in (run, child)]
        assert len(records) == 2
        database.delete_runs([uid_of(run)])
        assert database.load_runs(records) == [True, True]
        assert [_everything(database, each) for each in (run, child)] == before

    def test_a_version_that_is_brought_in_moves_no_tag(self, database: Database) -> None:
        database.put_function(function_document("a"))
        older = function_document("b", description="from elsewhere")
        older["status"]["created"] = 1.0
        assert database.put_function(older, latest=False) == older["status"]["version"]
        assert [each["status"]["version"][7] for each in database.function_history("default", "train")] == ["a", "b"]
        assert database.function("default", "train")["status"]["version"][7] == "a"
        database.put_function({**older, "metadata": {"name": "train", "project": "default"}}, latest=False)
        kept = database.function("default", "train", version=older["status"]["version"])
        assert kept["metadata"]["description"] == "from elsewhere"
        assert kept["status"]["created"] == 1.0
        database.put_function(function_document("c", name="other"), latest=False)
        assert database.function("default", "other")["status"]["tags"] == ["latest"]


def _kept(database: Database) -> dict[str, Any]:
    """A whole run with all that may lie beside it."""
    run = run_document()
    database.create_run(run, handle={"kind": "local", "version": 1})
    database.apply(uid_of(run), whole_run(run), cursor={"offset": 9})
    return run


def _with_child(producer: Producer, child: str) -> list[Event]:
    return [
        producer.event("state", {"state": "running"}),
        producer.event("child", {"uid": child, "name": "fold", "params": {"n": 1}}),
        producer.event("log", {"stream": "stdout", "text": "inner\n"}, child=child),
        producer.event("metric", {"key": "loss", "steps": [0], "values": [1.0], "times": [1.0]}, child=child),
        producer.event("end", {"state": "completed"}, child=child),
        producer.event("end", {"state": "completed"}),
    ]


def _everything(database: Database, run: dict[str, Any]) -> tuple[Any, ...]:
    """All that can be asked of a run; times of events are those of their moment, and left out."""
    uid = uid_of(run)
    document = database.run(uid)
    output = b"".join(chunk.data for chunk in database.log(uid))
    artifacts = [
        {**each, "spec": {**each["spec"], "created": None, "run": None}} for each in database.artifacts(run=uid)
    ]
    return document, output, database.metric(uid, "loss"), artifacts
