"""Workers that are on this machine, and workers that see none of its files."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from distributed import LocalCluster

from framework.engine.execute import execute
from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.plan import plan
from framework.engine.request import RunRequest
from framework.errors import UsageError
from framework_runtime_dask import nearby, sending

CODE = """
import pathlib
import framework as fw

def main(data, folder, n: int = 0, size: int = 5):
    fw.context().log_artifact("note", b"x" * size)
    texts = sorted(path.read_text() for path in pathlib.Path(folder).iterdir())
    return [n, pathlib.Path(data).read_text(), pathlib.Path(data).name, texts, pathlib.Path(MINE).exists()]
"""
# A file system of its own over the folder in which everything of a test is.
HIDDEN = 'mount -t tmpfs none "$1" && shift && exec "$@"'


@pytest.fixture
def session_home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def asked(tmp_path):
    """A request with a file and a folder of this machine as inputs."""
    (tmp_path / "job.py").write_text(CODE.replace("MINE", repr(str(tmp_path / "job.py"))))
    (tmp_path / "data.csv").write_text("a,b")
    (tmp_path / "parts").mkdir()
    for name in ("one", "two"):
        (tmp_path / "parts" / name).write_text(name)

    def request(options, **params):
        return RunRequest(
            target=str(tmp_path / "job.py"),
            handler="main",
            kind="dask",
            params=params,
            inputs={"data": "data.csv", "folder": "parts"},
            folder=str(tmp_path),
            overrides={"options": options},
        )

    return request


@pytest.fixture
def scheduler():
    where = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=0, **where) as cluster:
        yield cluster


@pytest.fixture
def hidden(tmp_path, scheduler, tmp_path_factory):
    """A worker in a mount namespace of its own: for the file system it is another machine."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("nobody may have a mount namespace here")
    words = ["unshare", "-m", "sh", "-c", HIDDEN, "sh", str(tmp_path), sys.executable, "-m", "dask", "worker"]
    own = tmp_path_factory.mktemp("worker")
    options = ["--no-dashboard", "--no-nanny", "--nthreads", "2", "--local-directory", str(own)]
    with (own / "log").open("wb") as log:
        process = subprocess.Popen([*words, scheduler.scheduler_address, *options], cwd=own, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not scheduler.scheduler.workers:
            assert process.poll() is None, (own / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield {"provider": "address", "address": scheduler.scheduler_address}
    finally:
        process.terminate()
        process.wait()


def note(session, run):
    """The content of an artifact, as it is kept here."""
    (found,) = session.database.artifacts(run=run["metadata"]["uid"])
    uri = found["spec"]["uri"]
    with session.storage_of(uri).open(uri) as stream:
        return stream.read()


@pytest.mark.slow
def test_a_worker_that_sees_no_file_of_here(session, asked, hidden, monkeypatch):
    run = execute(session, plan(session, asked(hidden, n=3)))
    assert run["status"]["state"] == "completed", run["status"]
    assert run["status"]["results"]["return"] == [3, "a,b", "data.csv", ["one", "two"], False]
    assert note(session, run) == b"xxxxx"
    for parallelism in (0, 1):
        run = execute_map(session, plan_map(session, asked(hidden), [{"n": n} for n in range(4)], parallelism))
        assert run["status"]["results"] == {"completed": 4, "failed": 0}, run["status"]
    monkeypatch.setattr(sending, "LIMIT", 8)
    with pytest.raises(UsageError, match=r"do not see the inputs .* data \(3 bytes\), folder \(6 bytes\): at most 8 "):
        execute(session, plan(session, asked(hidden)))
    assert list(session.runtime("dask").uncollected()) == []


def test_what_is_held_of_a_map_waits_no_longer_for_a_worker_than_what_is_given_out(session, asked, scheduler):
    options = {"provider": "address", "address": scheduler.scheduler_address, "no_workers_timeout": "300ms"}
    run = execute_map(session, plan_map(session, asked(options), [{"n": n} for n in range(5)], 2))
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "Unschedulable")
    assert run["status"]["results"] == {"completed": 0, "failed": 5}
    deadline = time.monotonic() + 30
    while scheduler.scheduler.tasks:  # nothing is left of it, nor of what was to be sent
        assert time.monotonic() < deadline, scheduler.scheduler.tasks
        time.sleep(0.05)


@pytest.mark.slow
def test_a_worker_of_this_machine_keeps_artifacts_itself_however_large(shared_home, session, asked, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_HOME", str(shared_home))
    monkeypatch.setattr(sending, "LIMIT", 8)  # nothing is sent
    run = execute(session, plan(session, asked({"cluster": "default-shared"}, n=3, size=5 << 20)))
    assert run["status"]["state"] == "completed", run["status"]
    assert run["status"]["results"]["return"] == [3, "a,b", "data.csv", ["one", "two"], True]
    assert len(note(session, run)) == 5 << 20


def test_what_tells_that_a_file_is_the_same(tmp_path):
    path = tmp_path / "it"
    path.write_text("a")
    known = nearby.seen(str(path))
    assert nearby.sees("elsewhere", {str(path): known})
    assert nearby.sees(nearby.machine(), {str(path): (9, 9)})
    os.utime(path, ns=(1, 1))
    assert not nearby.sees("elsewhere", {str(path): known})
    path.unlink()
    assert not nearby.sees("elsewhere", {str(path): known})
