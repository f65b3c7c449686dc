"""The suite of databases: queries give what `framework.conditions` says, in the order asked for."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework.conditions import MISSING, fits, parse, value_of
from framework.databases import Condition, Database, Document, RunQuery
from framework.testing.database_bed import DatabaseBed, Reopen, producer_of, run_document, uid_of, whole_run

_NUMBERS = (-math.inf, -1e300, -3, -0.5, 0, 1, 1.0, 2.5, 2**53 - 1, 2**53 + 1, 2**53 + 2, 1e300, math.inf, math.nan)
_TEXTS = ("", "1", "adam", "adamw", "sgd", "naïve ☃", "a*b", "a[b]", "x\ny", "true", "Z" * 700)
_VALUES = (*_NUMBERS, *_TEXTS, True, False, None)
_KEYS = ("depth", "rate", "a key", "naïve", "deep.key")
_NAMES = ("train", "train-1", "eval", "a[b]", "☃")
_STATES = ("created", "running", "completed", "failed")
_PATTERNS = ("*", "train*", "?val", "[te]*", "[!t]*", "a[[]b]", "*a*", "", "[", "train", "☃", "*\n*", "a.b", "[b-a]")
_FIELDS = (
    *(f"{section}.{key}" for section in ("params", "results", "metrics", "labels") for key in _KEYS),
    *("name", "state", "cause", "kind", "project", "created", "started", "ended", "duration"),
)
_FUNCTION = "db://default/train@sha256:" + "a" * 64


class QueriesSuite(DatabaseBed):
    """Every query against the reference."""

    @pytest.mark.timeout(300)
    def test_random_queries_agree_with_the_reference(self, database: Database) -> None:
        runs = _random_runs(database, 120)

        @settings(
            max_examples=300,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(_queries(runs))
        def agree(query: RunQuery) -> None:
            wanted = [uid_of(run) for run in _reference(query, runs)]
            assert [uid_of(run) for run in database.runs(query)] == wanted
            assert database.count_runs(query) == sum(fits(query, run) for run in runs)

        agree()

    def test_runs_come_newest_first(self, database: Database) -> None:
        moments = [30.0, 10.0, 20.0, 20.5]
        for moment in moments:
            database.create_run(run_document(created=moment))
        found = [run["status"]["created"] for run in database.runs(RunQuery())]
        assert found == sorted(moments, reverse=True)
        assert [run["status"]["created"] for run in database.runs(RunQuery(descending=False))] == sorted(moments)

    def test_runs_a_microsecond_apart_keep_their_order(self, database: Database) -> None:
        """The items of a map are, whichever of them is recorded first."""
        for number in range(100):
            first = round(1_700_000_000 + number * 1_234.567_891, 6)
            for place in (1, 2, 0):
                created = first + place * 1e-6
                database.create_run(run_document(created=created, parent=f"map-{number}", params={"place": place}))
            found = database.runs(RunQuery(parent=f"map-{number}", descending=False))
            assert [run["spec"]["params"]["place"] for run in found] == [0, 1, 2]

    def test_pages_put_together_are_the_whole(self, database: Database) -> None:
        _random_runs(database, 40)
        for order in ("created", "results.rate", "name", "duration", "labels.depth", "params.nobody has it"):
            whole = database.runs(RunQuery(order_by=order, limit=None, parent=None))
            pages = [database.runs(RunQuery(order_by=order, limit=7, offset=7 * n, parent=None)) for n in range(7)]
            assert [run for page in pages for run in page] == whole
            assert len(whole) == 40

    def test_what_changes_is_found_as_it_is_now(self, database: Database, reopen: Reopen) -> None:
        run = run_document(params={"depth": 3})
        other = reopen()
        database.create_run(run)
        producer = producer_of(run)
        ask = RunQuery(conditions=parse("results.accuracy > 0.5"))
        assert database.runs(ask) == []
        for value, fitting in ((0.9, 1), (0.1, 0), (0.8, 1)):
            database.apply(uid_of(run), [producer.event("result", {"values": {"accuracy": value}})])
            assert len(other.runs(ask)) == fitting
            assert database.count_runs(ask) == fitting
        assert database.count_runs(RunQuery(conditions=parse("params.depth = 3"))) == 1
        other.delete_runs([uid_of(run)])
        assert database.count_runs(ask) == 0

    def test_states_are_those_of_now(self, database: Database) -> None:
        runs = [run_document() for _ in range(4)]
        for run in runs:
            database.create_run(run)
        database.apply(uid_of(runs[0]), whole_run(runs[0])[:1])
        database.apply(uid_of(runs[1]), whole_run(runs[1]))
        database.apply(uid_of(runs[2]), whole_run(runs[2], state="failed"))
        counted = {state: database.count_runs(RunQuery(states=[state])) for state in _STATES}
        assert counted == dict.fromkeys(_STATES, 1)
        assert database.count_runs(RunQuery(states=["failed", "completed"])) == 2
        database.apply(uid_of(runs[0]), whole_run(runs[0]))
        assert database.count_runs(RunQuery(states=["completed"])) == 2
        assert database.count_runs(RunQuery(states=["running"])) == 0

    def test_the_best_runs_and_then_those_without_the_result(self, database: Database) -> None:
        for number, accuracy in enumerate((0.5, None, 0.9, 0.7, "n/a", None)):
            results = {} if accuracy is None else {"accuracy": accuracy}
            database.create_run(run_document(created=float(number), results=results))
        best = database.runs(RunQuery(order_by="results.accuracy", conditions=parse("results.accuracy > 0")))
        assert [run["status"]["results"]["accuracy"] for run in best] == [0.9, 0.7, 0.5]
        found = database.runs(RunQuery(order_by="results.accuracy", descending=False))
        assert [run["status"]["created"] for run in found[:3]] == [0.0, 3.0, 2.0]
        assert [run["status"]["results"] for run in found[-2:]] == [{}, {}]

    def test_children_are_asked_for_by_their_parent(self, database: Database) -> None:
        parent = run_document()
        database.create_run(parent)
        for number in range(3):
            database.create_run(run_document(parent=uid_of(parent), created=float(number)))
        assert database.count_runs(RunQuery()) == 1
        assert database.count_runs(RunQuery(parent=None)) == 4
        children = database.runs(RunQuery(parent=uid_of(parent)))
        assert [run["status"]["created"] for run in children] == [2.0, 1.0, 0.0]
        assert database.runs(RunQuery(parent="nobody")) == []

    def test_many_runs_that_were_never_asked_for(self, database: Database) -> None:
        for number in range(700):
            database.create_run(run_document(created=float(number), params={"n": number, "even": number % 2 == 0}))
        assert database.count_runs(RunQuery(conditions=parse("params.n >= 100 and params.even = true"))) == 300
        found = database.runs(RunQuery(conditions=parse("params.n < 650"), limit=3))
        assert [run["spec"]["params"]["n"] for run in found] == [649, 648, 647]


def _random_runs(database: Database, count: int) -> list[Document]:
    chance = random.Random(count)  # noqa: S311  a test's
    runs = []
    for number in range(count):
        started = chance.choice([None, number + 0.25])
        times: dict[str, Any] = (
            {} if started is None else {"started": started, "ended": chance.choice([None, started + number % 7])}
        )
        state = chance.choice(_STATES)
        run = run_document(
            name=chance.choice(_NAMES),
            project=chance.choice(["default", "vision"]),
            labels={key: chance.choice(_TEXTS) for key in chance.sample(_KEYS, 2)},
            kind=chance.choice(["local", "job"]),
            function=chance.choice(
                ["", _FUNCTION, _FUNCTION.replace("a" * 64, "b" * 64), "db://default/trainer@sha256:c"]
            ),
            params=_some(chance),
            parent=chance.choice(["", "", "", "P", "Q"]),
            state=state,
            created=float(number),
            cause="UserError" if state == "failed" else None,
            results=_some(chance),
            metrics={key: value for key, value in _some(chance).items() if not isinstance(value, (str, bool))},
            **times,
        )
        database.create_run(run)
        runs.append(run)
    return runs


def _some(chance: random.Random) -> dict[str, Any]:
    from framework_run.numbers import encode

    values: dict[str, Any] = {key: encode(chance.choice(_VALUES)) for key in chance.sample(_KEYS, 3)}
    if chance.random() < 0.1:
        values["depth"] = chance.choice([[1, 2], {"deep": 1}])
    return values


def _queries(runs: list[Document]) -> st.SearchStrategy[RunQuery]:
    values = st.one_of(
        st.sampled_from(_VALUES), st.integers(), st.floats(), st.text(st.characters(exclude_categories=["Cs"]))
    )
    compared = st.builds(
        lambda field, sign, value: Condition(field=field, operator=sign, value=value),
        st.sampled_from(_FIELDS),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        values.filter(lambda value: not isinstance(value, str) or (len(value) < 300 and "\0" not in value)),
    )
    patterned = st.builds(
        lambda field, pattern: Condition(field=field, operator="~", value=pattern),
        st.sampled_from(_FIELDS),
        st.sampled_from(_PATTERNS),
    )
    moments = st.one_of(st.none(), st.floats(-1, len(runs) + 1))
    return st.builds(
        RunQuery,
        project=st.sampled_from([None, None, "default", "vision", "nobody"]),
        name=st.sampled_from([None, None, None, *_NAMES, *_PATTERNS]),
        states=st.sampled_from([(), (), ("failed",), ("completed",), ("created", "running")]),
        labels=st.dictionaries(st.sampled_from(_KEYS), st.sampled_from(_TEXTS), max_size=1),
        since=moments,
        until=moments,
        parent=st.sampled_from(["", "", None, None, "P", "nobody"]),
        function=st.sampled_from([None, None, None, "db://default/train", _FUNCTION, _FUNCTION[:30], "db://default"]),
        conditions=st.lists(st.one_of(compared, compared, patterned), max_size=2),
        order_by=st.sampled_from(["created", *_FIELDS]),
        descending=st.booleans(),
        limit=st.one_of(st.none(), st.integers(0, 30)),
        offset=st.integers(0, 5),
    )


def _reference(query: RunQuery, runs: list[Document]) -> list[Document]:
    """What a query has to give; ``runs`` are in the order of time."""
    fitting = [run for run in runs if fits(query, run)]
    if query.descending:
        fitting.reverse()
    keyed = [(key, run) for run in fitting if (key := _order_key(value_of(run, query.order_by))) is not None]
    keyed.sort(key=lambda pair: pair[0], reverse=query.descending)
    ordered = [run for _, run in keyed]
    ordered += [run for run in fitting if _order_key(value_of(run, query.order_by)) is None]
    end = None if query.limit is None else query.offset + query.limit
    return ordered[query.offset : end]


def _order_key(value: Any) -> tuple[int, Any] | None:
    """Null, booleans, numbers, text, in this order; None for what has no place in it."""
    if value is MISSING or isinstance(value, (list, dict)) or (isinstance(value, float) and math.isnan(value)):
        return None
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (1, value)
    return (2, value) if isinstance(value, (int, float)) else (3, value)
