"""`framework replay`: a recorded run again, and what is said where it cannot be as it was."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from framework import interpreters
from framework.errors import BackendError
from framework_run.events import Producer

SOURCE = """\
import pathlib

def train(data: pathlib.Path, depth: int = 2) -> float:
    size = len(pathlib.Path(data).read_text())
    if depth > 5:
        raise ValueError("too deep")
    return depth * 2.0 + size
"""


@pytest.fixture
def recorded(tool):
    """Run a function, and have its document."""
    (tool.top / "job.py").write_text(SOURCE)

    def run(*words: str, code: int = 0) -> dict:
        return json.loads(tool("run", "job.py:train", "--json", "-i", "data=d.csv", *words, code=code).stdout)

    return run


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_again(tool, recorded):
    first = recorded("--depth", "3")
    uid = first["metadata"]["uid"]
    (tool.top / "job.py").write_text(SOURCE.replace("2.0", "3.0"))
    newest = recorded("--depth", "3")["spec"]["function"]
    (tool.top / "job.py").unlink()

    done = tool("replay", uid, "--json")
    again = json.loads(done.stdout)
    assert again["spec"]["function"] == first["spec"]["function"]
    assert again["spec"]["replays"] == uid
    assert again["status"]["results"] == first["status"]["results"] == {"return": 10.0}
    assert "The same came out as of the run" in done.stderr
    assert "Not as it was" not in done.stderr
    latest = json.loads(tool("function", "show", "train", "--json").stdout)["status"]["version"]
    assert newest.endswith(latest)  # an old version that is run again does not become the latest
    assert f"replays   {uid}" in tool("runs", "show", again["metadata"]["uid"]).stdout

    (tool.top / "d.csv").write_text("a,b\n1,2\n")
    done = tool("replay", uid)
    assert "Not as it was: the input 'data' has changed: it was sha256:" in done.stderr
    assert "Something else came out" in done.stderr
    assert "return" in done.stdout

    (tool.top / "d.csv").rename(tool.top / "e.csv")
    done = tool("replay", uid, code=2)
    assert f"the input 'data' of the run {uid} is gone" in done.stderr
    assert f"framework replay {uid} --input data=PATH" in done.stderr
    again = json.loads(tool("replay", uid, "--input", "data=e.csv", "--json").stdout)
    assert again["status"]["results"] == {"return": 14.0}
    assert "had no input 'other'" in tool("replay", uid, "--input", "other=e.csv", code=2).stderr

    for folder in (Path(os.environ["FRAMEWORK_HOME"]) / name for name in ("artifacts", "cache")):
        shutil.rmtree(folder)
    done = tool("replay", uid, code=2)
    assert f"the code of the run {uid} is gone" in done.stderr
    assert f"framework runs patch {uid}" in done.stderr
    assert len(done.stderr.splitlines()) <= 15


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_debugger_stops_where_the_stored_code_failed(tool, recorded):
    failed = recorded("--depth", "7", code=1)
    uid = failed["metadata"]["uid"]
    (tool.top / "job.py").unlink()
    done = tool("replay", uid, "--pdb", code=1)
    assert '-> raise ValueError("too deep")' in done.stdout
    again = json.loads(tool("runs", "list", "--json").stdout)[0]
    assert again["spec"]["replays"] == uid
    assert again["spec"]["function"] == failed["spec"]["function"]
    assert "Leave out --detach" in tool("replay", uid, "--pdb", "--detach", code=2).stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_recorded_packages_are_installed_again(tool, cli, recorded, database, tmp_path):
    """Where they are others than those here; what no index has is named."""
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / "needed_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("needed_thing.py", "NAME = 'the needed thing'\n")
        wheel.writestr(
            "needed_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: needed-thing\nVersion: 1.0\n"
        )
        wheel.writestr(
            "needed_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("needed_thing-1.0.dist-info/RECORD", "")
    (tool.top / "job.py").write_text(
        "def train(data: str = '') -> str:\n"
        "    try:\n"
        "        import needed_thing\n"
        "    except ImportError:\n"
        "        return 'not there'\n"
        "    return needed_thing.NAME\n"
    )
    uid = recorded()["metadata"]["uid"]
    digest = database.put_content(b"needed-thing==1.0\nodd==2 @ file:///gone\n")
    facts = {"python": "3.9.1", "packages": digest}
    event = {**Producer({"uid": uid}).event("environment", facts), "seq": 0}
    database.apply(uid, [event])
    more = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(links), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links)}
    done = tool("replay", uid, "--json", more=more)
    again = json.loads(done.stdout)
    assert again["status"]["results"] == {"return": "the needed thing"}
    assert again["spec"]["packages"] == digest
    assert "Not as it was: Python was 3.9.1, and is" in done.stderr
    assert "Not as it was: the package odd==2 @ file:///gone cannot be installed again." in done.stderr
    packages = again["status"]["environment"]["run"]["packages"]
    assert b"needed-thing==1.0\n" in database.content(packages)

    done = tool("replay", uid, "--here", "--json")
    assert json.loads(done.stdout)["status"]["results"] == {"return": "not there"}
    assert "the packages are those of this environment" in done.stderr


@pytest.mark.slow
def test_the_recorded_python_runs_it_where_it_is_here(tool, recorded, database):
    here = "{}.{}".format(*sys.version_info)
    try:
        version = interpreters.version(interpreters.find(f">=3.10,!={here}.*"))
    except BackendError:
        pytest.skip("there is no other Python here")
    minor = version.rpartition(".")[0]
    (tool.top / "job.py").write_text(
        "import sys\n\ndef train(data: str = '') -> str:\n    return '{}.{}'.format(*sys.version_info)\n"
    )
    uid = recorded()["metadata"]["uid"]
    facts = {"python": f"{minor}.99", "packages": database.put_content(b"")}
    database.apply(uid, [{**Producer({"uid": uid}).event("environment", facts), "seq": 0}])
    done = tool("replay", uid, "--json")
    again = json.loads(done.stdout)
    assert again["status"]["results"] == {"return": minor}
    assert again["spec"]["python"] == minor
    assert f"Not as it was: Python was {minor}.99, and is {version}." in done.stderr
    assert json.loads(tool("replay", uid, "--here", "--json").stdout)["status"]["results"] == {"return": here}


@pytest.mark.parametrize(
    ("events", "end", "said"),
    [
        ((), None, "has not ended"),
        ((), {"state": "completed"}, "has no function of its own"),
    ],
)
def test_what_cannot_be_repeated_is_refused(events, end, said, cli, add_run):
    done = cli("replay", add_run(events=events, end=end))
    assert done.code == 2
    assert said in done.err


def test_a_run_that_is_not_there(cli, database):
    done = cli("replay", "0198")
    assert done.code == 2
    assert "there is no run '0198'" in done.err


def test_a_function_that_is_not_kept(cli, add_run):
    uid = add_run(spec={"function": "db://default/gone@sha256:" + "a" * 64}, end={"state": "completed"})
    done = cli("replay", uid)
    assert done.code == 2
    assert "there is no function" in done.err


def test_a_map_without_a_list_of_its_items_is_refused(cli, add_run):
    spec = {"function": "db://default/f@sha256:" + "a" * 64, "map": {"items": 3, "parallelism": 2}}
    done = cli("replay", add_run(spec=spec, end={"state": "completed"}))
    assert done.code == 2
    assert "the parameters of the items of the map" in done.err
