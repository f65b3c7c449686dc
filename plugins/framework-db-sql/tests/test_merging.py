"""Databases that are merged: random ones, in any order and direction, of both engines, killed half-way."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from framework.databases import Database
from framework.engine.transfer.merging import Merger, merge_database
from framework.engine.transfer.portable import read_export, write_export
from framework.errors import UsageError
from framework.plugins.manager import Plugins
from framework.testing.database_bed import function_document, producer_of, run_document, uid_of, whole_run

RANDOM: Any = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}
SEEDS = st.integers(0, 2**32)
CREATED = 1_790_000_000.0
RUNS = [run_document(f"0198c000-0000-7000-8000-{number:012x}", created=CREATED + number) for number in range(5)]
STORIES = [[{**event, "time": CREATED + 100 + event["seq"]} for event in whole_run(run)] for run in RUNS]
CHILD = "0198c000-0000-7000-8000-0000000000ff"


def _family() -> list[dict[str, Any]]:
    """Events of a run that opens another one."""
    producer = producer_of(RUNS[0])
    return [
        producer.event("state", {"state": "running"}, at=CREATED),
        producer.event("child", {"uid": CHILD, "name": "fold", "params": {}}, at=CREATED),
        producer.event("log", {"stream": "stdout", "text": "inner\n"}, child=CHILD, at=CREATED),
        producer.event("result", {"values": {"score": 1}}, child=CHILD, at=CREATED),
        producer.event("log", {"stream": "stdout", "text": "more\n"}, child=CHILD, at=CREATED),
        producer.event("end", {"state": "completed"}, child=CHILD, at=CREATED),
        producer.event("end", {"state": "completed"}, at=CREATED),
    ]


STORIES[0] = _family()


def _filled(database: Database, chance: random.Random) -> Database:
    """A part of the same world: some runs, each up to some point or with gaps, some versions and projects."""
    for run, story in zip(RUNS, STORIES, strict=True):
        if chance.random() < 0.7:
            database.create_run(run)
            kept = [event for event in story if chance.random() < 0.8] if chance.random() < 0.5 else story
            events = kept[: chance.randint(0, len(kept))]
            while events:
                count = chance.randint(1, 4)
                database.apply(uid_of(run), events[:count])
                events = events[count:]
    for version in chance.sample("abcd", chance.randint(0, 4)):
        function = function_document(version)
        function["status"]["created"] = CREATED + ord(version)
        database.put_function(function)
        if chance.random() < 0.5:
            database.tag_function("default", "train", function["status"]["version"], chance.choice(["good", "best"]))
    if chance.random() < 0.5:
        database.put_project({"metadata": {"name": "vision", "description": chance.choice("xy")}})
    if chance.random() < 0.5:
        database.put_content(chance.choice([b"packages", b"patch"]))
    return database


def _merge(source: Database, target: Database, *, dry_run: bool = False) -> Any:
    merger = Merger(target, dry_run=dry_run)
    merge_database(source, merger, lambda uri: pytest.fail(f"nothing is to be read: {uri}"))
    return merger.report


def _runs(database: Database) -> dict[str, Any]:
    """Every run with all that lies beside it, in no order of writing."""
    found = {}
    for uid, _ in database.run_stamps():
        record = database.dump_run(uid)
        output = b"".join(chunk.data for chunk in record.log)
        found[uid] = (record.document, sorted(output.splitlines()), database.metric(uid, "loss"), record.artifacts)
    return found


def _versions(database: Database) -> set[str]:
    known = database.functions()
    return {each["status"]["version"] for each in database.function_history("default", "train")} if known else set()


def _latest(database: Database) -> list[str]:
    return [each["status"]["version"] for each in database.functions()]


def _everything(database: Database) -> Any:
    history = database.function_history("default", "train")
    tags = {each["status"]["version"]: sorted(each["status"]["tags"]) for each in history}
    return _runs(database), _versions(database), tags, database.projects()


@pytest.fixture
def opened() -> Iterator[Callable[[str], Database]]:
    """Opens databases of the scheme that a test wants."""
    plugins, databases = Plugins(), []

    def database(url: str) -> Database:
        databases.append(plugins.database(url))
        return databases[-1]

    yield database
    for each in databases:
        each.close()


@pytest.mark.slow
@settings(max_examples=20, **RANDOM)
@given(SEEDS)
def test_there_and_back_makes_two_databases_equal(opened: Callable[[str], Database], seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = (_filled(opened(f"sqlite:///{folder}/{name}.db"), chance) for name in "ab")
        wanted = _runs(ours).keys() | _runs(theirs).keys()
        seen = _merge(theirs, ours, dry_run=True)
        there = _merge(theirs, ours)
        assert seen.document() == there.document()
        back = _merge(ours, theirs)
        assert _runs(ours).keys() == wanted
        assert _runs(ours) == _runs(theirs)
        assert _versions(ours) == _versions(theirs)
        in_conflict = any(each.name.endswith(":latest") for each in back.conflicts)
        assert in_conflict or _latest(ours) == _latest(theirs)
        assert dict(ours.run_stamps()) == dict(theirs.run_stamps())
        for source, target in ((theirs, ours), (ours, theirs)):
            _merge(source, target)
            before = _everything(target) if _versions(target) else None
            assert not _merge(source, target).changed
            assert before is None or _everything(target) == before
        for each in (ours, theirs):
            each.close()


@settings(max_examples=12, **RANDOM)
@given(SEEDS)
def test_the_order_of_three_does_not_matter_to_runs(opened: Callable[[str], Database], seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        parts = [_filled(opened(f"sqlite:///{folder}/{name}.db"), chance) for name in "abc"]
        found = []
        for name, order in (("x", parts), ("y", parts[::-1])):
            target = opened(f"sqlite:///{folder}/{name}.db")
            for part in order:
                _merge(part, target)
            found.append((target.contents(), _versions(target), [run[1:] for run in _runs(target).values()]))
        assert found[0] == found[1]


@settings(max_examples=12, **RANDOM)
@given(SEEDS)
def test_an_export_is_read_back_whole(opened: Callable[[str], Database], seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        ours = _filled(opened(f"sqlite:///{folder}/a.db"), chance)
        path, target = Path(folder) / "export", opened(f"sqlite:///{folder}/b.db")
        write_export(path, ours, None, None)
        for again in (False, True):
            merger = Merger(target)
            with path.open("rb") as stream:
                read_export(stream, merger, "export")
            assert not (again and merger.report.changed)
        assert dict(ours.run_stamps()) == dict(target.run_stamps())
        assert _runs(ours) == _runs(target)
        assert ours.projects() == target.projects()
        assert _versions(ours) == _versions(target)
        if _versions(ours):
            assert _everything(ours)[2:] == _everything(target)[2:]


@settings(max_examples=20, **RANDOM)
@given(SEEDS)
def test_an_export_that_is_damaged_is_refused(opened: Callable[[str], Database], seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        write_export(path, _filled(opened(f"sqlite:///{folder}/a.db"), random.Random(1)), None, None)
        content = bytearray(path.read_bytes())
        damaged = chance.randrange(len(content))
        if chance.random() < 0.5:
            del content[damaged:]
            damaged = len(content) + 10
        else:
            content[damaged] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        merger = Merger(opened(f"sqlite:///{folder}/b.db"))
        try:
            with path.open("rb") as stream:
                read_export(stream, merger, "export")
        except UsageError:
            pass
        else:
            assert damaged < 10  # a bit of the head of gzip that says nothing, as that of the operating system


@pytest.mark.postgres
@pytest.mark.xdist_group("postgresql")
def test_sqlite_and_postgresql(
    opened: Callable[[str], Database], tmp_path: Path, postgresql_url: Callable[[], str]
) -> None:
    for seed in range(3):
        chance = random.Random(seed)
        ours = _filled(opened(f"sqlite:///{tmp_path}/{seed}.db"), chance)
        theirs = _filled(opened(postgresql_url()), chance)
        for source, target in ((ours, theirs), (theirs, ours)) * 2:
            _merge(source, target)
        assert _runs(ours) == _runs(theirs)
        assert dict(ours.run_stamps()) == dict(theirs.run_stamps())
        assert _versions(ours) == _versions(theirs)
        assert not _merge(ours, theirs).changed
        for each in (ours, theirs):
            assert each.problems() == []
            each.vacuum()
            assert each.size()


class TestNames:
    """What is called alike and is not the same."""

    @pytest.fixture
    def sides(self, opened: Callable[[str], Database], tmp_path: Path) -> list[Database]:
        return [opened(f"sqlite:///{tmp_path}/{name}.db") for name in "ab"]

    def test_a_tag_in_conflict_stays_and_the_other_is_kept(self, sides: list[Database]) -> None:
        ours, theirs = sides
        for database, version in zip(sides, "ab", strict=True):
            database.put_function(function_document(version))
            database.tag_function("default", "train", "sha256:" + version, "good")
        report = _merge(theirs, ours)
        assert [(each.name, each.kept_as) for each in report.conflicts] == [
            ("default/train:good", "default/train:good-merged-bbbbbbbb"),
            ("default/train:latest", "default/train:latest-merged-bbbbbbbb"),
        ]
        tags = {
            each["status"]["version"][7]: each["status"]["tags"] for each in ours.function_history("default", "train")
        }
        assert tags == {"a": ["good", "latest"], "b": ["good-merged-bbbbbbbb", "latest-merged-bbbbbbbb"]}
        assert not _merge(theirs, ours).changed

    def test_latest_goes_on_where_the_source_has_gone_on(self, sides: list[Database]) -> None:
        ours, theirs = sides
        ours.put_function(function_document("a"))
        _merge(ours, theirs)
        theirs.put_function(function_document("b"))
        report = _merge(theirs, ours)
        assert (report.tags_moved, report.conflicts) == (["default/train:latest"], [])
        assert ours.function("default", "train")["status"]["version"][7] == "b"
        assert not _merge(ours, theirs).changed

    def test_latest_stays_where_the_source_is_behind(self, sides: list[Database]) -> None:
        ours, theirs = sides
        theirs.put_function(function_document("a"))
        _merge(theirs, ours)
        ours.put_function(function_document("b"))
        report = _merge(theirs, ours)
        assert (report.changed, report.conflicts) == (False, [])
        assert ours.function("default", "train")["status"]["version"][7] == "b"

    def test_a_project_in_conflict_stays_and_the_other_is_kept(self, sides: list[Database]) -> None:
        for database, text in zip(sides, "xy", strict=True):
            database.put_project({"metadata": {"name": "vision", "description": text}})
        (conflict,) = _merge(sides[1], sides[0]).conflicts
        assert sides[0].project("vision")["metadata"]["description"] == "x"
        assert sides[0].project(conflict.kept_as)["metadata"]["description"] == "y"
        assert not _merge(sides[1], sides[0]).changed

    def test_a_run_that_goes_on_stays_with_whom_it_is_followed_by(self, sides: list[Database]) -> None:
        ours, theirs = sides
        run = run_document()
        theirs.create_run(run, handle={"kind": "local", "version": 1})
        theirs.apply(uid_of(run), whole_run(run)[:4], cursor={"offset": 4})
        _merge(theirs, ours)
        active = ours.active_run(uid_of(run))
        assert (active.document["status"]["state"], active.handle, active.cursor) == ("running", None, {})
        theirs.apply(uid_of(run), whole_run(run)[4:])
        assert _merge(theirs, ours).runs_completed == 1
        assert ours.active_runs() == []

    def test_only_one_project_is_brought_where_one_is_named(self, sides: list[Database]) -> None:
        ours, theirs = sides
        for project in ("default", "vision"):
            theirs.create_run(run_document(project=project))
            theirs.put_function(function_document("a", project=project))
            theirs.put_project({"metadata": {"name": project, "description": "x"}})
        merger = Merger(ours)
        merge_database(theirs, merger, pytest.fail, "vision")
        assert {run[0]["metadata"]["project"] for run in _runs(ours).values()} == {"vision"}
        assert [each["metadata"]["project"] for each in ours.functions()] == ["vision"]
        assert ours.project("default") == {"metadata": {"name": "default"}}


_KILLED = """
import sys
from framework.engine.transfer import merging
from framework.engine.transfer.merging import Merger, merge_database
from framework.plugins.manager import Plugins
plugins = Plugins()
source, target = plugins.database(sys.argv[1]), plugins.database(sys.argv[2])
merging._BATCH = 3
print("begun", flush=True)
merge_database(source, Merger(target), lambda uri: open(uri, "rb"))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_merge_that_is_killed_is_begun_again(opened: Callable[[str], Database], tmp_path: Path) -> None:
    source = opened(f"sqlite:///{tmp_path}/a.db")
    runs = [run_document() for _ in range(120)]
    for run in runs:
        source.create_run(run)
        source.apply(uid_of(run), whole_run(run))
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in "ab"]
    target = opened(urls[1])
    for count in (1, 30, 70):  # killed when so many runs are there
        merging = subprocess.Popen([sys.executable, "-c", _KILLED, *urls], stdout=subprocess.PIPE, text=True)
        assert merging.stdout is not None
        merging.stdout.readline()
        while merging.poll() is None and len(list(target.run_stamps())) < count:
            time.sleep(0.002)
        merging.send_signal(signal.SIGKILL)
        merging.communicate()
        for uid, _ in target.run_stamps():
            assert target.run(uid)["status"]["state"] == "completed"
    report = _merge(source, target)
    assert report.runs == 120
    assert _runs(target) == _runs(source)
    assert target.problems() == []
