"""What is SQLite's own: the journal, durability, and how a database that cannot be used is reported."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from framework.databases import RunQuery
from framework.errors import DatabaseError
from framework.testing.database_bed import run_document, uid_of, whole_run
from framework_db_sql import mounts, sqlite
from framework_db_sql.database import SqlDatabase

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
40 27 0:77 / /mnt/my\\040share rw,relatime shared:1 - nfs4 server:/share rw,vers=4.2
41 27 0:78 / /mnt/ssh rw - fuse.sshfs host: rw
42 27 0:79 / / rw - overlay overlay rw
"""


def _pragma(database: SqlDatabase, name: str) -> object:
    with database._engine.reading() as session:
        return session.execute(f"PRAGMA {name}").fetchone()[0]


def _refused(url: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as raised:
        SqlDatabase(url)
    assert raised.value.advice
    assert len(f"{raised.value.message}\n{raised.value.advice}".splitlines()) <= 15
    return raised.value


@pytest.mark.parametrize("slashes", ["/", "//", "///"])
def test_the_path_of_a_url_is_absolute(tmp_path: Path, slashes: str) -> None:
    name = "my%20runs.db"
    database = SqlDatabase(f"sqlite://{slashes}{str(tmp_path)[1:]}/new/folder/{name}")
    database.close()
    assert (tmp_path / "new/folder/my runs.db").is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///x/", "sqlite:///:memory:", "mysql://x/y", "x"])
def test_a_url_that_names_no_file(url: str) -> None:
    assert url in _refused(url).message


def test_it_writes_ahead_and_waits(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
    assert _pragma(database, "journal_mode") == "wal"
    assert _pragma(database, "synchronous") == 1  # NORMAL
    assert _pragma(database, "busy_timeout") == 60_000
    database.close()


def test_what_is_to_be_durable_is_synchronised_and_only_that(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
    run = run_document()
    events = whole_run(run)
    database.create_run(run)
    database.apply(uid_of(run), events[:2], durable=True)
    assert _pragma(database, "synchronous") == 2  # FULL
    database.apply(uid_of(run), events[2:])
    assert _pragma(database, "synchronous") == 1
    database.close()


def test_a_network_file_system_gets_another_journal_and_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite://{tmp_path}/runs.db"
    SqlDatabase(url).close()  # in WAL, as if it had been copied there
    monkeypatch.setattr(sqlite, "network_file_system", lambda _folder: "nfs4")
    with pytest.warns(UserWarning, match="network file system \\(nfs4\\)"):
        database = SqlDatabase(url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = SqlDatabase(url)
    assert _pragma(again, "journal_mode") == "truncate"
    run = run_document()
    database.create_run(run)
    assert again.run(uid_of(run)) == run
    database.close()
    again.close()


@pytest.mark.parametrize(
    ("device", "kind"), [((0, 77), "nfs4"), ((0, 78), "fuse.sshfs"), ((0, 79), ""), ((0, 99), ""), ((8, 77), "")]
)
def test_the_file_system_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: tuple[int, int], kind: str
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    found = os.stat_result((0, 0, os.makedev(*device), 0, 0, 0, 0, 0, 0, 0))
    with monkeypatch.context() as patch:
        patch.setattr(mounts.os, "stat", lambda _path: found)
        asked = mounts.network_file_system(tmp_path, tmp_path / "mountinfo")
    assert asked == kind


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"not a database at all " * 100)
    error = _refused(f"sqlite://{tmp_path}/runs.db")
    assert str(tmp_path / "runs.db") in error.message
    assert (tmp_path / "runs.db").read_bytes().startswith(b"not a database")


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    database = SqlDatabase(f"sqlite://{path}")
    for _ in range(200):
        database.create_run(run_document(params={"text": "x" * 500}))
    database.close()
    content = bytearray(path.read_bytes())
    begin = len(content) // 4  # behind the schema
    content[begin:] = b"\xa5" * (len(content) - begin)
    path.write_bytes(content)
    database = SqlDatabase(f"sqlite://{path}")
    with pytest.raises(DatabaseError, match="damaged") as raised:
        database.runs(RunQuery())
    assert "recover" in raised.value.advice
    database.close()


@pytest.mark.parametrize("version", [0, 1])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, version: int) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    assert "another program" in _refused(f"sqlite://{tmp_path}/other.db").message
    connection = sqlite3.connect(tmp_path / "other.db")
    assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["theirs"]
    connection.close()


def test_a_place_where_there_can_be_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "FRAMEWORK_DB" in _refused(f"sqlite://{tmp_path}/file/runs.db").advice
    (tmp_path / "folder.db").mkdir()
    assert "cannot be opened" in _refused(f"sqlite://{tmp_path}/folder.db").message


_AS_NOBODY = """
import os, sys
from framework.errors import DatabaseError
from framework_db_sql.database import SqlDatabase
import framework_db_sql.sqlite  # who is nobody may not be able to
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    SqlDatabase(sys.argv[1])
except DatabaseError as error:
    print(error.message, "|", error.advice)
"""


def test_a_folder_that_may_only_be_read() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # pytest's own folders let nobody in
        place = Path(name)
        SqlDatabase(f"sqlite://{place}/runs.db").close()
        (place / "runs.db").chmod(0o444)
        place.chmod(0o555)
        command = [sys.executable, "-c", _AS_NOBODY, f"sqlite://{place}/runs.db"]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
        place.chmod(0o755)
    assert str(place / "runs.db") in ended.stdout
    assert "FRAMEWORK_DB" in ended.stdout


def test_a_full_disk_loses_nothing_that_was_there(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
    kept = run_document()
    database.create_run(kept)
    with database._engine.reading() as session:  # a limit of pages: SQLite's own way to have no room
        used = session.execute("PRAGMA page_count").fetchone()[0]
        session.execute(f"PRAGMA max_page_count = {used + 2}")
    with pytest.raises(DatabaseError, match="full") as raised:
        database.create_run(run_document(params={"text": "x" * 50_000}))
    assert "Make room" in raised.value.advice
    with database._engine.reading() as session:
        session.execute("PRAGMA max_page_count = 1000000")
    assert database.runs(RunQuery()) == [kept]
    database.create_run(run_document())
    assert database.count_runs(RunQuery()) == 2
    database.close()


def test_who_waits_too_long_is_told_who_to_look_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY", 0.05)
    database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="held") as raised:
        database.create_run(run_document())
    assert "Try again" in raised.value.advice
    other.execute("ROLLBACK")
    other.close()
    database.create_run(run_document())
    database.close()


def test_a_run_costs_no_import_of_the_query_builder(tmp_path: Path) -> None:
    script = f"""
import sys
from framework.testing.database_bed import run_document, uid_of, whole_run
from framework_db_sql.database import SqlDatabase
database = SqlDatabase("sqlite://{tmp_path}/runs.db")
run = run_document()
database.create_run(run)
database.apply(uid_of(run), whole_run(run))
assert "peewee" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_closing_is_for_all_threads_and_not_for_good(tmp_path: Path) -> None:
    database = SqlDatabase(f"sqlite://{tmp_path}/runs.db")
    database.create_run(run_document())
    database.close()
    database.close()
    assert database.count_runs(RunQuery()) == 1
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["runs.db"]  # the last one to leave tidies the journal
