"""The power goes while runs are recorded: the database opens, and what the durability table promises is there.

Processes run with a small library before the C library's own functions (recorder.c, built here), which records what
they write and synchronise; then the folder is put back as a disk would have it whose power went at some moment, seeded,
and the next command looks at it. FRAMEWORK_POWER_MOMENTS sets at how many moments the power goes in each test.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from framework.databases import RunQuery
from framework.engine.collect import collect
from framework.engine.session import Session
from framework.models.causes import ENDED

_spec = spec_from_file_location("disk", Path(__file__).with_name("disk.py"))  # test folders are no packages
assert _spec is not None
assert _spec.loader is not None
disk = module_from_spec(_spec)
sys.modules["disk"] = disk
_spec.loader.exec_module(disk)

MOMENTS = int(os.environ.get("FRAMEWORK_POWER_MOMENTS", "40"))
INLINE = """
import sys
from pathlib import Path
import framework as fw

@fw.function
def work(context: fw.Context, number: int) -> int:
    print("number", number)
    context.log_metric("n", number, step=0)
    return number

for number in range(25):
    run = work.run({"number": number})
    Path(sys.argv[1], run.uid).touch()
"""
APART = """
import framework as fw

def work(context: fw.Context) -> int:
    for step in range(10):
        print("step", step, flush=True)
        context.log_metric("n", step, step=step)
    return 10
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="the recorder is written for Linux"),
]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here (Debian: apt-get install gcc)")
    library = tmp_path_factory.mktemp("recorder") / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("FRAMEWORK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def record(recorder: Path, home: Path, tmp_path: Path) -> Callable[..., list[Any]]:
    """Runs a command in the folder, and gives what it did to the home."""

    def run(*words: str) -> list[Any]:
        environment = {**os.environ, "POWER_ROOT": str(home), "POWER_LOG": str(tmp_path / "log")}
        environment["LD_PRELOAD"] = str(recorder)
        command = [sys.executable, *words]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
        found: list[Any] = disk.steps(tmp_path / "log")
        assert any(step.what == "w" and step.path.endswith("-wal") for step in found)
        return found

    return run


def _moments(home: Path, done: list[Any], places: list[int]) -> Iterator[tuple[int, Session]]:
    """At each place in what was done: the power goes, and the next command collects."""
    left, reached = disk.Disk(home), 0
    for number, place in enumerate(sorted(places)):
        for step in done[reached:place]:
            left.do(step)
        reached = place
        left.lose_power(random.Random(number))
        session = Session()
        collect(session)
        yield place, session
        session.database.close()


def _places(done: list[Any], seed: int) -> list[int]:
    chance = random.Random(seed)
    return [*(chance.randrange(len(done)) for _ in range(MOMENTS)), len(done)]


def _runs(session: Session) -> list[dict[str, Any]]:
    return session.database.runs(RunQuery(limit=None, descending=False))


def test_inline_runs(record: Callable[..., list[Any]], home: Path, tmp_path: Path) -> None:
    (tmp_path / "inline.py").write_text(INLINE)
    (home / "reported").mkdir()
    done = record("inline.py", str(home / "reported"))
    seen = set()
    for place, session in _moments(home, done, _places(done, 1)):
        assert session.database.problems() == []
        runs = _runs(session)
        for run in runs:
            status = run["status"]
            seen.add(status["state"])
            assert status["state"] in ENDED
            number = run["spec"]["params"]["number"]
            if status["state"] == "completed":
                assert status["results"] == {"return": number}
                output = b"".join(chunk.data for chunk in session.database.log(run["metadata"]["uid"]))
                assert output == f"number {number}\n".encode()
            else:
                assert (status["state"], status["cause"]) == ("failed", "Lost"), status
        numbers = [run["spec"]["params"]["number"] for run in runs]
        assert numbers == list(range(len(numbers)))  # only the last ones may be gone
        assert all(run["status"]["state"] == "completed" for run in runs[:-1])
        if place == len(done):  # the process has ended, and closed its database
            assert numbers == list(range(25))
    assert "completed" in seen


def test_a_run_apart(record: Callable[..., list[Any]], home: Path, tmp_path: Path) -> None:
    (tmp_path / "apart.py").write_text(APART)
    done = record("-m", "framework", "run", "apart.py:work")
    # the client reports the end when its database has it, and only then removes the folder of the run
    removed = next(place for place, step in enumerate(done) if step.what == "r" and step.other.endswith(".gone"))
    whole = next(
        place
        for place, step in enumerate(done)
        if step.what == "w" and step.path.endswith("/events") and b'"kind":"end"' in step.data
    )
    places = [*_places(done, 2), *range(whole, removed + 12)]
    states = set()
    for place, session in _moments(home, done, places):
        assert session.database.problems() == []
        runs = _runs(session)
        assert len(runs) <= 1
        for run in runs:
            _check(run, session)
            states.add(run["status"]["state"])
        if place > removed:
            assert [run["status"]["state"] for run in runs] == ["completed"], place
    assert states == {"completed", "failed"}


def test_a_run_that_nobody_follows(record: Callable[..., list[Any]], home: Path, tmp_path: Path) -> None:
    """Its final record is on the disk when its supervisor has ended: the next command has the run, and whole."""
    (tmp_path / "apart.py").write_text(APART)
    (tmp_path / "detached.py").write_text(
        "import framework as fw, os, time\n"
        "from pathlib import Path\n"
        "run = fw.function('apart.py:work').run(watch=False)\n"
        "lock = Path(os.environ['FRAMEWORK_HOME'], 'runs', run.uid, 'lock')\n"
        "from framework_run.locks import is_held\n"
        "while is_held(str(lock)):\n    time.sleep(0.01)\n"
    )
    done = record("detached.py")
    synced = max(place for place, step in enumerate(done) if step.what == "s" and step.path.endswith("/events"))
    for _place, session in _moments(home, done, [synced + 1] * 12 + [len(done)] * 12):
        (run,) = _runs(session)
        _check(run, session)
        assert run["status"]["state"] == "completed", run["status"]


def _check(run: dict[str, Any], session: Session) -> None:
    """A run is whole, or is lost and says so."""
    status = run["status"]
    assert status["state"] in ENDED
    steps = [step for step, _, _ in session.database.metric(run["metadata"]["uid"], "n")]
    if status["state"] == "completed":
        assert status["results"] == {"return": 10}
        assert steps == list(range(10))
    else:
        assert (status["state"], status["cause"]) == ("failed", "Lost"), status
        assert status["message"]
