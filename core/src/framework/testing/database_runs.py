"""The suite of databases: runs as documents, changed by events."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from framework.databases import Database, RunQuery
from framework.errors import Ambiguous, NotFound
from framework.testing.database_bed import DatabaseBed, Reopen, producer_of, run_document, uid_of, whole_run
from framework_run.events import observed_end


class RunsSuite(DatabaseBed):
    """A run is kept as it came; events change it once, whole and in any order."""

    def test_a_run_is_given_back_as_it_came(self, database: Database, reopen: Reopen) -> None:
        run = run_document(name="naïve ☃", params={"n": {"$int": "9007199254740993"}, "nan": {"$float": "nan"}})
        run["metadata"]["later"] = {"deep": [1, None, "x"]}
        run["unknown"] = "kept"
        database.create_run(run)
        assert database.run(uid_of(run)) == run
        assert reopen().run(uid_of(run)) == run

    def test_a_run_that_is_there_is_left_as_it_is(self, database: Database) -> None:
        run = run_document(name="first")
        database.create_run(run)
        other = run_document(uid_of(run), name="second")
        database.create_run(other)
        assert database.run(uid_of(run)) == run
        assert database.count_runs(RunQuery()) == 1

    def test_many_runs_at_once_are_as_one_after_another(self, database: Database) -> None:
        runs = [run_document(name=f"run-{number}", params={"n": number}) for number in range(50)]
        database.create_run(runs[7])
        database.create_runs(runs)
        database.create_runs(runs[:3])
        assert [database.run(uid_of(run)) for run in runs] == runs
        assert database.count_runs(RunQuery()) == 50

    def test_events_of_many_runs_at_once_are_as_one_after_another(self, database: Database) -> None:
        runs, others = [[run_document(name="train") for _ in range(20)] for _ in range(2)]
        database.create_runs([*runs, *others])
        first = {uid_of(run): whole_run(run)[:3] for run in runs}
        rest = {uid_of(run): whole_run(run) for run in runs}
        database.apply_all(first)
        documents = database.apply_all(rest)
        assert documents == {uid_of(run): database.run(uid_of(run)) for run in runs}
        for run, other in zip(runs, others, strict=True):
            alone = database.apply(uid_of(other), whole_run(other))["status"]
            assert documents[uid_of(run)]["status"]["results"] == alone["results"]
            assert documents[uid_of(run)]["status"]["state"] == "completed"
            assert b"".join(chunk.data for chunk in database.log(uid_of(run))) == b"".join(
                chunk.data for chunk in database.log(uid_of(other))
            )

    def test_one_run_of_many_that_is_not_there_is_an_error(self, database: Database) -> None:
        run, missing = run_document(), run_document()
        database.create_run(run)
        events = {uid_of(each): whole_run(each) for each in (run, missing)}
        with pytest.raises(NotFound):
            database.apply_all(events)
        database.create_run(missing)
        assert {each["status"]["state"] for each in database.apply_all(events).values()} == {"completed"}

    def test_what_the_caller_changes_later_is_not_kept(self, database: Database) -> None:
        run = run_document(params={"depth": 1})
        database.create_run(run)
        before = copy.deepcopy(run)
        run["spec"]["params"]["depth"] = 2
        assert database.run(uid_of(run)) == before
        given = database.apply(uid_of(run), [producer_of(run).event("heartbeat", {})])
        given["spec"]["params"]["depth"] = 3
        assert database.run(uid_of(run))["spec"] == before["spec"]

    def test_runs_of_one_moment_are_all_kept(self, database: Database) -> None:
        runs = [run_document(created=1000.0) for _ in range(50)]
        for run in runs:
            database.create_run(run)
        assert {uid_of(run) for run in database.runs(RunQuery())} == {uid_of(run) for run in runs}

    @pytest.mark.parametrize("uid", ["", "0198", "no such run", "%"])
    def test_a_run_that_is_not_there(self, database: Database, uid: str) -> None:
        database.create_run(run_document("abcdef"))
        event = producer_of(run_document(uid)).event("heartbeat", {})
        for ask in (
            lambda: database.run(uid),
            lambda: database.active_run(uid),
            lambda: database.apply(uid, [event]),
            lambda: database.set_handle(uid, {"kind": "local"}),
            lambda: list(database.log(uid)),
            lambda: database.metric(uid, "loss"),
        ):
            with pytest.raises(NotFound):
                ask()

    def test_a_uid_may_be_shortened_as_long_as_it_is_one_run(self, database: Database) -> None:
        for uid in ("0198aa-1", "0198ab-2", "0198a"):
            database.create_run(run_document(uid))
        assert uid_of(database.run("0198aa")) == "0198aa-1"
        assert uid_of(database.run("0198a")) == "0198a"
        with pytest.raises(Ambiguous, match="0198"):
            database.run("0198")

    def test_a_shortened_uid_names_the_run_that_has_opened_those_that_begin_alike(self, database: Database) -> None:
        database.create_run(run_document("0198aa-2", parent="0198aa-3"))
        assert uid_of(database.run("0198aa")) == "0198aa-2"
        for uid, parent in (("0198aa-3", ""), ("0198aa-4", "0198aa-3")):
            database.create_run(run_document(uid, parent=parent))
        assert uid_of(database.run("0198aa")) == "0198aa-3"
        assert uid_of(database.run("0198aa-4")) == "0198aa-4"
        database.create_run(run_document("0198aa-5"))
        with pytest.raises(Ambiguous, match="0198aa"):
            database.run("0198aa")

    def test_events_become_the_document(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        database.create_run(run)
        given = database.apply(uid_of(run), whole_run(run))
        assert database.run(uid_of(run)) == given == reopen().run(uid_of(run))
        status = given["status"]
        assert status["state"] == "completed"
        assert status["results"] == {"accuracy": 0.9, "epochs": 3}
        assert status["metrics"] == {"loss": 0.25}
        assert status["artifacts"]["model"]["size"] == 3
        assert status["peak"] == {"memory": 1024, "cpu": 0.5}
        assert given["metadata"]["labels"] == {"stage": "test"}

    def test_unknown_keys_survive_events(self, database: Database) -> None:
        run = run_document(later={"of": "a newer writer"})
        run["unknown"] = [1]
        run["spec"]["unknown"] = {"x": None}
        database.create_run(run)
        after = database.apply(uid_of(run), whole_run(run))
        assert after["unknown"] == [1]
        assert after["spec"]["unknown"] == {"x": None}
        assert after["status"]["later"] == {"of": "a newer writer"}

    def test_events_that_come_again_change_nothing(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        events = whole_run(run)
        database.create_run(run)
        database.apply(uid_of(run), events[:5])
        database.apply(uid_of(run), events)
        once = _everything(database, uid_of(run))
        database.apply(uid_of(run), events)
        reopen().apply(uid_of(run), events[2:7])
        assert _everything(database, uid_of(run)) == once
        assert len(once[2]) == 2  # points
        assert len(once[3]) == 1  # artifacts

    @pytest.mark.parametrize("seed", range(5))
    def test_the_document_does_not_depend_on_the_batches(self, database: Database, reopen: Reopen, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  a test's
        whole, pieces = run_document(created=1.0), run_document(created=1.0)
        database.create_run(whole)
        database.create_run(pieces)
        wanted = database.apply(uid_of(whole), whole_run(whole))
        clients = [database, reopen()]
        events = whole_run(pieces)
        chance.shuffle(events)
        while events:
            count = chance.randint(1, 4)
            chance.choice(clients).apply(uid_of(pieces), events[:count])
            events = events[count:]
        assert _timeless(database.run(uid_of(pieces))) == _timeless(wanted)

    def test_a_batch_that_fails_leaves_nothing(self, database: Database) -> None:
        run = run_document()
        database.create_run(run)
        producer = producer_of(run)
        database.apply(uid_of(run), [producer.event("log", {"stream": "stdout", "text": "1"})], cursor={"offset": 1})
        before = _everything(database, uid_of(run))
        bad = [producer.event("log", {"stream": "stdout", "text": "2"}), producer.event("result", {"no": "values"})]
        with pytest.raises(KeyError):
            database.apply(uid_of(run), bad, cursor={"offset": 2})
        assert _everything(database, uid_of(run)) == before
        assert database.active_run(uid_of(run)).cursor == {"offset": 1}

    def test_the_cursor_is_kept_with_the_events(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        database.create_run(run, handle={"kind": "local", "version": 1, "pid": 1})
        assert database.active_run(uid_of(run)).cursor == {}
        events = whole_run(run)
        database.apply(uid_of(run), events[:3], cursor={"offset": 30})
        database.apply(uid_of(run), events[3:4])
        found = reopen().active_run(uid_of(run))
        assert found.cursor == {"offset": 30}
        assert found.document == database.run(uid_of(run))
        database.apply(uid_of(run), events[4:], cursor={"offset": 99, "more": [1]}, durable=True)
        assert database.active_run(uid_of(run)).cursor == {"offset": 99, "more": [1]}

    def test_the_handle_is_kept(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        database.create_run(run)
        assert database.active_run(uid_of(run)).handle is None
        database.set_handle(uid_of(run), {"kind": "local", "version": 1, "folder": "/x"})
        database.apply(uid_of(run), whole_run(run)[:1])
        assert reopen().active_run(uid_of(run)).handle == {"kind": "local", "version": 1, "folder": "/x"}

    def test_the_handles_of_a_kind_are_those_of_its_ended_runs_too(self, database: Database) -> None:
        ended, running, other, without = (run_document(created=float(number)) for number in range(4))
        for run in (ended, running, without):
            run["spec"]["kind"] = "job"
        database.create_run(ended, handle={"kind": "job", "namespace": "a"})
        database.create_run(running, handle={"kind": "job", "namespace": "b"})
        database.create_run(other, handle={"kind": "local", "folder": "/x"})
        database.create_run(without)
        database.apply(uid_of(ended), whole_run(ended))
        assert [handle["namespace"] for handle in database.handles("job")] == ["b", "a"]
        assert database.handles("dask") == []

    def test_active_runs_are_those_without_a_final_end(self, database: Database) -> None:
        created, running, ended, inferred, other = (run_document(created=float(number)) for number in range(5))
        other["spec"]["kind"] = "job"
        for run in (created, running, ended, inferred, other):
            database.create_run(run)
        database.apply(uid_of(running), whole_run(running)[:2])
        database.apply(uid_of(ended), whole_run(ended, state="failed"))
        lost = {"state": "failed", "cause": "Lost", "message": "gone", "advice": ""}
        database.apply(uid_of(inferred), [observed_end({"uid": uid_of(inferred)}, lost)])
        active = {run.uid: run for run in database.active_runs()}
        assert set(active) == {uid_of(run) for run in (created, running, inferred, other)}
        assert active[uid_of(inferred)].document["status"]["cause"] == "Lost"
        assert [run.uid for run in database.active_runs("job")] == [uid_of(other)]

    def test_a_final_end_supersedes_an_inferred_one(self, database: Database, reopen: Reopen) -> None:
        run = run_document()
        database.create_run(run)
        events = whole_run(run)
        database.apply(uid_of(run), events[:4])
        lost = {"state": "failed", "cause": "Lost", "message": "gone", "advice": ""}
        reopen().apply(uid_of(run), [observed_end({"uid": uid_of(run)}, lost)])
        assert database.run(uid_of(run))["status"]["state"] == "failed"
        after = database.apply(uid_of(run), events[4:])
        assert after["status"]["state"] == "completed"
        assert database.active_runs() == []

    def test_a_handler_opens_child_runs(self, database: Database) -> None:
        run = run_document(project="vision")
        child = uid_of(run_document())
        database.create_run(run)
        producer = producer_of(run)
        database.apply(
            uid_of(run),
            [
                producer.event("child", {"uid": child, "name": "fold", "params": {"k": 1}}),
                producer.event("log", {"stream": "stdout", "text": "inner"}, child=child),
            ],
        )
        ends = {"state": "completed", "cause": None}
        database.apply(
            uid_of(run),
            [producer.event("result", {"values": {"loss": 2}}, child=child), producer.event("end", ends, child=child)],
        )
        database.apply(uid_of(run), [producer.event("end", ends)])
        kept = database.run(child)
        assert kept["metadata"]["project"] == "vision"
        assert kept["spec"]["parent"] == uid_of(run)
        assert kept["status"]["results"] == {"loss": 2}
        assert kept["status"]["state"] == "completed"
        assert [chunk.data for chunk in database.log(child)] == [b"inner"]
        assert [uid_of(each) for each in database.runs(RunQuery())] == [uid_of(run)]
        assert [uid_of(each) for each in database.runs(RunQuery(parent=uid_of(run)))] == [child]
        assert database.count_runs(RunQuery(parent=None)) == 2

    def test_deleted_runs_are_gone_with_all_that_is_theirs(self, database: Database, reopen: Reopen) -> None:
        kept, gone = run_document(), run_document()
        child = run_document(parent=uid_of(gone))
        for run in (kept, gone, child):
            database.create_run(run)
            database.apply(uid_of(run), whole_run(run))
        assert database.count_runs(RunQuery(labels={"stage": "test"}, parent=None)) == 3
        assert database.delete_runs([uid_of(gone), "no such run"]) == 2
        assert database.delete_runs([uid_of(gone)]) == 0
        for uid in (uid_of(gone), uid_of(child)):
            with pytest.raises(NotFound):
                reopen().run(uid)
        assert database.count_runs(RunQuery(labels={"stage": "test"}, parent=None)) == 1
        database.create_run(gone)
        assert list(database.log(uid_of(gone))) == []
        assert database.metric(uid_of(gone), "loss") == []
        assert [chunk.data for chunk in database.log(uid_of(kept))] == [b"one\n", b"two\n"]


def _everything(database: Database, uid: str) -> tuple[Any, ...]:
    """All that is kept of a run."""
    log, points = list(database.log(uid)), database.metric(uid, "loss")
    return database.run(uid), log, points, database.artifacts(run=uid), database.active_run(uid)


def _timeless(run: dict[str, Any]) -> dict[str, Any]:
    """A run's document without what differs between two runs of the same events."""
    status = {name: part for name, part in run["status"].items() if name not in ("started", "ended", "attempts")}
    status["artifacts"] = {key: {**part, "uri": ""} for key, part in status["artifacts"].items()}
    return {"spec": run["spec"], "status": status, "labels": run["metadata"]["labels"]}
