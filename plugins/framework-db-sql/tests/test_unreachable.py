"""A database that does not answer for a while: what runs report waits in files, and is brought in once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.errors import DatabaseError
from framework.plugins.manager import Plugins

STEPS = 12
JOB = f"""
import sys, time
from pathlib import Path
import framework as fw


def work(context: fw.Context, gate: str) -> int:
    for step in range({STEPS}):
        print("step", step, flush=True)
        context.log_metric("loss", 1.0 / (step + 1), step=step)
        context.log_result(f"r{{step}}", step)
        if step == 3:
            Path(gate, "begun").touch()
            while not Path(gate, "go").exists():
                time.sleep(0.01)
        time.sleep(0.15)  # longer than a second in all: the run delivers more than once
    return step


if __name__ == "__main__":
    run = fw.function(work).run({{"gate": sys.argv[1]}})
    print("RESULT", run.state, run.results, flush=True)
"""


class Place:
    """A home, a database and a job in a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.home = folder, url, folder / "home"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
        self.environment = {**kept, "FRAMEWORK_HOME": str(self.home), "FRAMEWORK_DB": url}
        (folder / "job.py").write_text(JOB)

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def framework(self, *words: str) -> subprocess.CompletedProcess[str]:
        started = self.start("-m", "framework", *words)
        out, err = started.communicate(timeout=100)
        return subprocess.CompletedProcess(words, started.returncode, out, err)

    def begun(self, process: subprocess.Popen[str]) -> None:
        """Wait until the job is in the middle of its work."""
        while not (self.folder / "begun").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    def go(self) -> None:
        (self.folder / "go").touch()

    def runs(self) -> list[dict[str, Any]]:
        listed = self.framework("runs", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        found: list[dict[str, Any]] = json.loads(listed.stdout)
        return found

    def is_whole(self, run: dict[str, Any]) -> None:
        """Everything is there, once, and nothing waits any more."""
        assert run["status"]["state"] == "completed", run["status"]
        assert run["status"]["gaps"] == []
        wanted = {f"r{step}": step for step in range(STEPS)}
        assert run["status"]["results"] == {**wanted, "return": STEPS - 1}
        database = Plugins().database(self.url)
        uid = run["metadata"]["uid"]
        output = b"".join(chunk.data for chunk in database.log(uid) if chunk.stream == "stdout")
        assert output.splitlines() == [f"step {step}".encode() for step in range(STEPS)]
        assert [step for step, _, _ in database.metric(uid, "loss")] == list(range(STEPS))
        database.close()
        for name in ("runs", "undelivered"):
            folder = self.home / name
            assert not folder.exists() or list(folder.iterdir()) == []


class Trouble:
    """A database that can be taken away, and given back."""

    def __init__(self, url: str, take: Callable[[], None], give: Callable[[], None]) -> None:
        self.url, self.take, self.give = url, take, give


@pytest.fixture(
    params=[
        pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.xdist_group("postgresql")]),
        "locked",
        pytest.param("full", marks=pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small disk")),
        pytest.param("read-only", marks=pytest.mark.skipif(os.getuid() != 0, reason="only root may seal files")),
    ]
)
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    if request.param == "postgresql":
        server = request.getfixturevalue("own_server")
        yield Trouble(server.url, lambda: server.stop(signal.SIGINT), server.start)
    elif request.param == "locked":
        yield from _locked(tmp_path)
    elif request.param == "read-only":
        yield from _read_only(tmp_path)
    else:
        yield from _full(tmp_path)


def _locked(tmp_path: Path) -> Iterator[Trouble]:
    path = tmp_path / "runs.db"
    held: list[sqlite3.Connection] = []

    def take() -> None:
        held.append(sqlite3.connect(path, isolation_level=None, timeout=60))
        held[-1].execute("BEGIN EXCLUSIVE")

    def give() -> None:
        for connection in held:
            connection.close()

    (tmp_path / "site").mkdir()  # the processes of this test give up sooner than after a minute
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import framework_db_sql.engine, framework_db_sql.sqlite\n"
        "framework_db_sql.engine.BUSY = framework_db_sql.sqlite.BUSY = 0.2\n"
    )
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(tmp_path / "site")
    yield Trouble(f"sqlite:///{path}", take, give)
    give()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def _read_only(tmp_path: Path) -> Iterator[Trouble]:
    """Files that nobody may write to any more, not even who has them open: a file system with writers stays as it is.

    The journal's index is left alone: it is memory that is shared, which Linux answers with SIGBUS.
    """
    folder = tmp_path / "sealed"
    folder.mkdir()

    def seal(sign: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["chattr", sign, *(path for path in folder.iterdir() if path.suffix != ".db-shm")],
            check=False,
            capture_output=True,
        )

    if shutil.which("chattr") is None:
        pytest.skip("there is no chattr here")
    try:
        with (folder / "probe").open("wb", buffering=0) as probe:
            seal("+i")
            try:
                probe.write(b"x")
            except PermissionError:
                seal("-i")
            else:
                pytest.skip("this file system does not keep who has a file open from writing")
        yield Trouble(f"sqlite:///{folder}/runs.db", lambda: seal("+i").check_returncode(), lambda: seal("-i"))
    finally:
        seal("-i")


def _full(tmp_path: Path) -> Iterator[Trouble]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    filler = disk / "filler"

    def take() -> None:
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"x" * 4096)
            except OSError:
                pass

    try:
        yield Trouble(f"sqlite:///{disk}/runs.db", take, filler.unlink)
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestInTheMiddleOfARun:
    def test_an_inline_run_goes_on_and_is_brought_in_once(self, trouble: Trouble, tmp_path: Path) -> None:
        place = Place(tmp_path, trouble.url)
        script = place.start("job.py", str(tmp_path))
        place.begun(script)
        trouble.take()
        place.go()
        out, err = script.communicate(timeout=200)
        assert script.returncode == 0, err
        assert "RESULT completed" in out
        assert f"'r{STEPS - 1}': {STEPS - 1}" in out
        assert "The run goes on" in err
        assert "framework runs sync" in err
        assert place.framework("runs", "list").returncode == 1
        trouble.give()
        synced = place.framework("runs", "sync", "--json")
        assert [run["status"]["state"] for run in json.loads(synced.stdout)] == ["completed"], synced.stderr
        (run,) = place.runs()
        place.is_whole(run)

    def test_a_run_apart_goes_on_and_is_collected_once(self, trouble: Trouble, tmp_path: Path) -> None:
        place = Place(tmp_path, trouble.url)
        client = place.start("-m", "framework", "run", "job.py:work", "-p", f"gate={tmp_path}")
        place.begun(client)
        trouble.take()
        place.go()
        _, err = client.communicate(timeout=200)
        assert client.returncode == 1
        assert "goes on" in err
        assert "framework runs sync" in err
        trouble.give()
        while (found := place.runs())[0]["status"]["state"] == "running":
            time.sleep(0.1)
        place.is_whole(found[0])


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")
def test_a_file_system_that_is_read_only_in_the_middle_of_a_run(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, "size=16m", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("a disk cannot be mounted here")
    try:
        place = Place(tmp_path, f"sqlite:///{disk}/runs.db")
        started = place.framework("run", "job.py:work", "-p", f"gate={tmp_path}", "--detach")
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        subprocess.run([*mount, "remount,ro", "tmpfs", disk], check=True)
        place.go()
        for words in (("runs", "list"), ("logs", started.stdout.strip()), ("runs", "sync")):
            refused = place.framework(*words)
            assert refused.returncode == 1
            assert "cannot be opened" in refused.stderr or "not written" in refused.stderr
            assert "FRAMEWORK_DB" in refused.stderr
        subprocess.run([*mount, "remount,rw", "tmpfs", disk], check=True)
        while (found := place.runs())[0]["status"]["state"] in {"pending", "running"}:
            time.sleep(0.1)
        place.is_whole(found[0])
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


@pytest.mark.slow
def test_what_dies_undelivered_is_lost_with_all_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, f"sqlite:///{tmp_path}/runs.db")
    (tmp_path / "dies.py").write_text(
        "import os, framework as fw\n"
        "from framework.engine.session import current\n"
        "from framework.errors import DatabaseError\n"
        "from framework.engine import inline\n"
        "inline._SEND = 0.0\n"
        "def refuse(*_, **__):\n    raise DatabaseError('gone')\n"
        "@fw.function\n"
        "def work(context: fw.Context):\n"
        "    current().database.apply = refuse\n"
        "    context.log_result('kept', 1)\n"
        "    os._exit(9)\n"
        "work.run()\n"
    )
    script = place.start("dies.py")
    script.communicate(timeout=60)
    assert script.returncode == 9
    (run,) = place.runs()
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "Lost")
    assert run["status"]["results"] == {"kept": 1}
    assert list((place.home / "undelivered").iterdir()) == []


@pytest.mark.slow
def test_a_run_is_not_begun_where_the_database_does_not_answer(tmp_path: Path) -> None:
    place = Place(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    for words in (("job.py", str(tmp_path)), ("-m", "framework", "run", "job.py:work", "-p", "gate=x")):
        started = place.start(*words)
        out, err = started.communicate(timeout=60)
        assert started.returncode == 1
        assert "RESULT" not in out
        assert "127.0.0.1:1" in err
    assert not (tmp_path / "begun").exists()


def test_a_database_that_does_not_answer_at_submit_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from framework.engine.execute import execute
    from framework.engine.plan import plan
    from framework.engine.request import RunRequest
    from framework.engine.session import current

    for name in ("DB", "STORAGE", "PROJECT", "PLUGINS"):
        monkeypatch.delenv(f"FRAMEWORK_{name}", raising=False)
    place = Place(tmp_path, f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("FRAMEWORK_HOME", str(place.home))
    monkeypatch.setenv("FRAMEWORK_DB", place.url)
    place.go()
    session = current()

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise DatabaseError("the server is gone")

    planned = plan(session, RunRequest(target=f"{tmp_path}/job.py:work", params={"gate": str(tmp_path)}))
    with monkeypatch.context() as patch:
        patch.setattr(session.database, "create_run", refuse)
        with pytest.raises(DatabaseError, match="was started, and goes on") as raised:
            execute(session, planned)
    assert "framework runs sync" in raised.value.advice
    while (found := place.runs())[0]["status"]["state"] in {"pending", "running"}:
        time.sleep(0.1)
    place.is_whole(found[0])
    session.database.close()


def test_an_inline_run_on_another_machine_is_left_alone() -> None:
    from framework.engine import live

    here = live.handle(Path(os.environ.get("TMPDIR", "/tmp")) / "nowhere")
    assert live.is_alive(here) is True
    assert live.is_alive({**here, "boot": "another", "host": "another"}) is None
    assert live.is_alive({**here, "boot": "before the restart"}) is False
