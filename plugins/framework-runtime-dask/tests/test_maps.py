"""Maps on a cluster: each item keeps its own records, once, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from framework.databases import RunQuery
from framework.engine.aborting import abort
from framework.engine.collect import collect
from framework.engine.map_plan import plan_map
from framework.engine.mapping import execute_map
from framework.engine.request import RunRequest
from framework.engine.session import Session
from framework.errors import BackendError
from framework.models.causes import ENDED
from framework.runtimes import RuntimeContext
from framework_runtime_dask import giving
from framework_runtime_dask.clients import on_scheduler, states
from framework_runtime_dask.handles import place_of
from framework_runtime_dask.runtime import DaskRuntime

CODE = """
import os, pathlib, signal, sys, time

SEEN = []

def main(n, gate="", how="", until=0):
    import framework as fw
    SEEN.append(n)
    print("number", n)
    if gate:
        pathlib.Path(gate, f"begun-{n}-{os.getpid()}").touch()
        while not pathlib.Path(gate, "open").exists():
            time.sleep(0.02)
    if fw.context().attempt < until:
        raise ValueError(f"not before attempt {until}")
    if how == "raise":
        raise ValueError("the reason")
    if how == "exit":
        os._exit(7)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "sleep":
        time.sleep(60)
    return n * n
"""


@pytest.fixture
def mapped(session, tmp_path):
    def start(items, *, code=CODE, parallelism=0, on_event=None, watch=True, **over):
        path = tmp_path / "job.py"
        path.write_text(code)
        request = RunRequest(target=str(path), handler="main", kind="dask", **over)
        planned = plan_map(session, request, items, parallelism)
        return execute_map(session, planned, watch=watch, on_event=on_event)

    yield start
    (tmp_path / "open").touch()  # a test that failed leaves no items that hold the places of the shared cluster


def items_of(session, run):
    return session.database.runs(RunQuery(parent=run["metadata"]["uid"], descending=False, limit=None))


def ended(run):
    """A map once it has ended, as another process's session finds it."""
    other, deadline = Session(), time.monotonic() + 90
    while True:
        collect(other)
        found = other.database.run(run["metadata"]["uid"])
        if found["status"]["state"] in ENDED:
            return found
        assert time.monotonic() < deadline, found["status"]
        time.sleep(0.05)


def log(session, run):
    return b"".join(chunk.data for chunk in session.database.log(run["metadata"]["uid"])).decode()


def test_each_item_keeps_its_own_records(session, mapped):
    run = mapped([{"n": n} for n in range(40)])
    assert run["status"]["results"] == {"completed": 40, "failed": 0}
    assert run["status"]["state"] == "completed"
    found = items_of(session, run)
    assert [item["status"]["results"]["return"] for item in found] == [n * n for n in range(40)]
    assert [log(session, item) for item in found] == [f"number {n}\n" for n in range(40)]
    assert all(item["status"]["peak"]["memory"] > 1 << 20 for item in found)
    assert all(len(item["status"]["attempts"]) == 1 for item in found)
    pids = {item["status"]["attempts"][0]["pid"] for item in found}
    assert len(pids) <= 8  # one a thread of the cluster: a process serves many items
    assert run["status"]["metrics"] == {"dask_workers": 2, "dask_done": 40}
    assert session.database.metric(run["metadata"]["uid"], "dask_workers")[0][:2] == (0, 2)
    assert list(session.runtime("dask").uncollected()) == []


@pytest.mark.slow
def test_items_that_were_run_before_are_not_sent(session, mapped):
    cached = {"cache": {"enabled": True}}
    mapped([{"n": n} for n in (3, 4)], **cached)
    run = mapped([{"n": n} for n in (2, 3, 4, 5)], **cached)
    assert run["status"]["results"] == {"completed": 4, "failed": 0, "reused": 2}
    found = items_of(session, run)
    assert [item["status"]["results"]["return"] for item in found] == [4, 9, 16, 25]
    assert [bool(item["status"].get("cached_from")) for item in found] == [False, True, True, False]
    run = mapped([{"n": n} for n in (5, 2)], **cached)  # nothing is sent at all
    assert run["status"]["results"] == {"completed": 2, "failed": 0, "reused": 2}
    assert list(session.runtime("dask").uncollected()) == []


@pytest.mark.slow
def test_an_item_that_dies_takes_no_other_with_it(session, mapped):
    items = [{"n": n, "how": how} for n, how in enumerate(["", "raise", "exit", "crash", "sleep", ""])]
    run = mapped(items, timeouts={"run": 3.0})
    states = [(item["status"]["state"], item["status"]["cause"]) for item in items_of(session, run)]
    assert states == [
        ("completed", None),
        ("failed", "UserError"),
        ("failed", "UserError"),
        ("failed", "UserError"),
        ("failed", "Timeout"),
        ("completed", None),
    ]
    assert (run["status"]["state"], run["status"]["cause"]) == ("failed", "UserError")
    assert "4 of 6 items failed; item 2: ValueError: the reason" in run["status"]["message"]


def test_at_most_so_many_run_at_once(session, mapped, tmp_path):
    most = []

    def count(event):
        if event["kind"] == "log" and not (tmp_path / "open").exists():
            most.append(len(list(tmp_path.glob("begun-*"))))
            if len(most) == 2:
                threading.Timer(1.0, (tmp_path / "open").touch).start()

    run = mapped([{"n": n, "gate": str(tmp_path)} for n in range(6)], parallelism=2, on_event=count)
    assert run["status"]["state"] == "completed"
    assert max(most) <= 2


def begun_of(tmp_path, count):
    """Wait until so many items have begun."""
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("begun-*"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def tasks_of(session, run):
    """The tasks that the scheduler has for a map."""
    handle = session.database.active_run(run["metadata"]["uid"]).handle
    runtime = session.runtime("dask")
    with runtime._connections.client(place_of(handle)) as client:
        return on_scheduler(client, states, handle["topic"])


@pytest.mark.slow
def test_items_that_may_not_run_yet_take_no_place_of_others(session, mapped, tmp_path):
    run = mapped([{"n": n, "gate": str(tmp_path)} for n in range(20)], parallelism=3, watch=False)
    begun_of(tmp_path, 3)
    assert list(tasks_of(session, run).values()) == ["processing"] * 3
    other = mapped([{"n": n} for n in range(20)])  # on the five places that are left
    assert other["status"]["results"] == {"completed": 20, "failed": 0}
    assert len(list(tmp_path.glob("begun-*"))) == 3
    (tmp_path / "open").touch()
    assert ended(run)["status"]["results"] == {"completed": 20, "failed": 0}
    assert [item["status"]["results"]["return"] for item in items_of(session, run)] == [n * n for n in range(20)]


@pytest.mark.slow
def test_a_limited_map_loses_a_worker(session, mapped, tmp_path):
    run = mapped([{"n": n, "gate": str(tmp_path)} for n in range(10)], parallelism=4, watch=False)
    begun_of(tmp_path, 4)
    handle = session.database.active_run(run["metadata"]["uid"]).handle
    collect(session)  # that they have begun is known
    worker = next(iter(session.runtime("dask").workers(handle).values()))
    there = {path.name for path in tmp_path.glob("begun-*")}
    os.kill(worker["pid"], signal.SIGKILL)
    begun_of(tmp_path, 6)  # at least one of four was on each of the two
    assert len(tasks_of(session, run)) == 4
    assert {path.name.split("-")[1] for path in tmp_path.glob("begun-*")} == {name.split("-")[1] for name in there}
    (tmp_path / "open").touch()
    assert ended(run)["status"]["results"] == {"completed": 10, "failed": 0}
    attempts = [len(item["status"]["attempts"]) for item in items_of(session, run)]
    assert set(attempts) == {1, 2}
    assert attempts[4:] == [1] * 6


SPANS = """
import os, pathlib, time

def main(n, folder, opens):
    begun = time.monotonic()
    time.sleep(0.2)
    while n == 11 and not pathlib.Path(opens).exists():
        time.sleep(0.02)
    pathlib.Path(folder, f"{n}-{os.getpid()}").write_text(f"{begun} {time.monotonic()}")
    return n * n
"""


@pytest.mark.slow
def test_what_was_lost_with_a_worker_runs_again_within_the_limit(session, mapped, tmp_path):
    """Results that nobody has collected yet; more of them than may run at once."""
    folder, opens = tmp_path / "spans", tmp_path / "opens"
    folder.mkdir()
    items = [{"n": n, "folder": str(folder), "opens": str(opens)} for n in range(12)]
    run = mapped(items, code=SPANS, parallelism=2, watch=False)
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < 11:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    handle = session.database.active_run(run["metadata"]["uid"]).handle
    worker = next(iter(session.runtime("dask").workers(handle).values()))
    os.kill(worker["pid"], signal.SIGKILL)
    while len(list(folder.iterdir())) < 14:
        assert time.monotonic() < deadline, list(folder.iterdir())
        time.sleep(0.05)
    opens.touch()
    assert ended(run)["status"]["results"] == {"completed": 12, "failed": 0}
    spans = [[float(word) for word in path.read_text().split()] for path in folder.iterdir()]
    at_once = [sum(begun <= at < over for begun, over in spans) for at, _ in spans]
    assert max(at_once) == 2


@pytest.mark.slow
def test_a_limited_map_is_asked_to_end(session, mapped, tmp_path):
    run = mapped([{"n": n, "gate": str(tmp_path)} for n in range(16)], parallelism=2, watch=False)
    begun_of(tmp_path, 2)
    abort(session, run["metadata"]["uid"], 5.0)
    found = ended(run)
    assert (found["status"]["state"], found["status"]["cause"]) == ("aborted", "Aborted")
    assert {item["status"]["state"] for item in items_of(session, run)} == {"aborted"}
    assert len(list(tmp_path.glob("begun-*"))) == 2
    assert list(session.runtime("dask").uncollected()) == []


GONE = """
import os, sys
from framework.cli.main import main
from framework_runtime_dask import giving

giving._BATCH, ask, held = 4, giving.on_scheduler, []

def dying(client, function, *arguments):
    answer = ask(client, function, *arguments)
    held.extend(arguments if function.__name__ == "hold" else ())
    if len(held) == 8:
        os._exit(9)
    return answer

giving.on_scheduler = dying
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_client_that_dies_leaves_a_limited_map_that_goes_on(session, tmp_path):
    """Behind the second of three batches."""
    (tmp_path / "job.py").write_text("def main(n): return n * n")
    (tmp_path / "items.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(12)))
    words = ["run", "job.py:main", "--map", "items.jsonl", "--kind", "dask", "--parallelism", "1"]
    done = subprocess.run([sys.executable, "-c", GONE, *words], cwd=tmp_path, timeout=100, check=False)
    assert done.returncode == 9
    (run,) = [run for run in session.database.runs(RunQuery(limit=None)) if run["spec"].get("map")]
    found = ended(run)
    assert found["status"]["results"] == {"completed": 8, "failed": 4}
    items = items_of(session, run)
    assert [item["status"].get("results") for item in items[:8]] == [{"return": n * n} for n in range(8)]
    assert {(item["status"]["state"], item["status"]["cause"]) for item in items[8:]} == {("failed", "Lost")}


@pytest.mark.slow
def test_two_versions_of_a_module_do_not_see_each_other(session, mapped):
    first = mapped([{"n": 2}, {"n": 3}])
    second = mapped([{"n": 2}, {"n": 3}], code=CODE.replace("n * n", "-n"))
    again = mapped([{"n": 2}, {"n": 3}])
    for run, wanted in ((first, [4, 9]), (second, [-2, -3]), (again, [4, 9])):
        assert [item["status"]["results"]["return"] for item in items_of(session, run)] == wanted


def test_the_client_may_go_and_another_collects(session, mapped):
    run = mapped([{"n": n} for n in range(20)], watch=False)
    assert run["status"]["state"] == "pending"
    found = ended(run)
    assert found["status"]["results"] == {"completed": 20, "failed": 0}
    assert [item["status"]["results"]["return"] for item in items_of(session, run)] == [n * n for n in range(20)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_worker_that_is_killed_neither_loses_nor_doubles(session, mapped, tmp_path):
    run = mapped([{"n": n, "gate": str(tmp_path)} for n in range(16)], watch=False)
    deadline = time.monotonic() + 100
    while len(list(tmp_path.glob("begun-*"))) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    handle = session.database.active_run(run["metadata"]["uid"]).handle
    runtime = DaskRuntime(RuntimeContext(home=str(session.home)))
    collect(session)  # that they have begun is known
    worker = next(iter(runtime.workers(handle).values()))
    os.kill(worker["pid"], signal.SIGKILL)
    while len(list(tmp_path.glob("begun-*"))) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (tmp_path / "open").touch()
    found = ended(run)
    assert found["status"]["results"] == {"completed": 16, "failed": 0}
    items = items_of(session, run)
    assert [item["status"]["results"]["return"] for item in items] == [n * n for n in range(16)]
    attempts = [item["status"]["attempts"] for item in items]
    again = [each for each in attempts if len(each) > 1]
    assert 1 <= len(again) <= 4
    assert all(each[0]["cause"] == "Lost" and each[-1]["state"] == "completed" for each in again)
    assert {each[0]["worker"] for each in again} == {f"worker-{worker['name']}"}
    assert all(log(session, item) == f"number {n}\n" for n, item in enumerate(items))


def test_it_is_asked_to_end(session, mapped, tmp_path):
    run = mapped([{"n": n, "gate": str(tmp_path)} for n in range(16)], watch=False)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("begun-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    abort(session, run["metadata"]["uid"], 5.0)
    found = ended(run)
    assert (found["status"]["state"], found["status"]["cause"]) == ("aborted", "Aborted")
    assert {item["status"]["state"] for item in items_of(session, run)} == {"aborted"}


ON = {"attempts": 3, "on": ["UserError"], "backoff": 0}


@pytest.mark.slow
def test_items_that_fail_are_repeated_and_the_others_are_not(session, mapped):
    told = []
    items = [{"n": n, "until": until} for n, until in enumerate([0, 2, 0, 3, 9])]
    run = mapped(items, retry=ON, on_event=told.append)
    assert run["status"]["results"] == {"completed": 4, "failed": 1}
    found = items_of(session, run)
    assert [len(item["status"]["attempts"]) for item in found] == [1, 2, 1, 3, 3]
    assert [item["status"]["results"].get("return") for item in found] == [0, 1, 4, 9, None]
    assert found[4]["status"]["message"] == "ValueError: not before attempt 9"
    assert log(session, found[3]) == "number 3\n"
    assert {event["attempt"] for event in told if event["run"] == found[3]["metadata"]["uid"]} == {1, 2, 3}
    assert list(session.runtime("dask").uncollected()) == []


@pytest.mark.slow
def test_who_looks_next_repeats_the_items_of_a_map_whose_client_is_gone(session, mapped):
    run = mapped([{"n": n, "until": n} for n in range(4)], retry=ON, parallelism=2, watch=False)
    assert ended(run)["status"]["results"] == {"completed": 4, "failed": 0}
    assert [len(item["status"]["attempts"]) for item in items_of(session, run)] == [1, 1, 2, 3]


@pytest.mark.slow
def test_a_map_that_is_asked_to_end_repeats_nothing(session, mapped):
    policy = {**ON, "backoff": 10_000.0, "backoff_cap": 10_000.0}
    run = mapped([{"n": 0}, {"n": 1, "until": 2}], retry=policy, watch=False)
    deadline, waits = time.monotonic() + 60, False
    while not waits:  # pending alone says nothing: it is so before it begins, too
        assert time.monotonic() < deadline
        collect(session)
        first, second = items_of(session, run)
        waits = first["status"]["state"] == "completed" and bool(second["status"].get("retry"))
    abort(session, run["metadata"]["uid"], 5.0)
    found = ended(run)
    assert (found["status"]["state"], found["status"]["results"]) == ("aborted", {"completed": 1, "failed": 1})
    assert "while it waited for its next attempt" in items_of(session, run)[1]["status"]["message"]


DYING = """
import os, sys
from framework.cli.main import main
from framework_runtime_dask import giving

giving._BATCH, keep, given = 4, giving.Giver._keep, []

def dying(*arguments):
    keep(*arguments)
    given.append(arguments)
    if len(given) == 2:
        os._exit(9)

giving.Giver._keep = dying
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_client_that_dies_while_it_gives_a_map_out_leaves_what_it_has_given(session, tmp_path):
    """Behind the second of three batches: those items end as they do, and the others say that nobody has them."""
    (tmp_path / "job.py").write_text("def main(n): return n * n")
    (tmp_path / "items.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(12)))
    words = ["run", "job.py:main", "--map", "items.jsonl", "--kind", "dask"]
    done = subprocess.run([sys.executable, "-c", DYING, *words], cwd=tmp_path, timeout=100, check=False)
    assert done.returncode == 9
    (run,) = [run for run in session.database.runs(RunQuery(limit=None)) if run["spec"].get("map")]
    deadline = time.monotonic() + 60
    while (ended := session.database.run(run["metadata"]["uid"]))["status"]["state"] not in ENDED:
        assert time.monotonic() < deadline
        collect(session)
    items = items_of(session, run)
    assert ended["status"]["results"] == {"completed": 8, "failed": 4}
    assert [item["status"].get("results") for item in items[:8]] == [{"return": n * n} for n in range(8)]
    assert {(item["status"]["state"], item["status"]["cause"]) for item in items[8:]} == {("failed", "Lost")}
    assert "it was never given it" in items[8]["status"]["message"]
    assert list(session.runtime("dask").uncollected()) == []


def test_a_map_that_breaks_while_it_is_given_out_leaves_nothing_behind(session, mapped, monkeypatch):
    """The connection breaks behind the first of three batches."""
    monkeypatch.setattr(giving, "_BATCH", 4)
    given, keep = [], giving.Giver._keep

    def breaking(giver, topic, keys):
        keep(giver, topic, keys)
        given.append((giver._client, topic))
        if len(given) == 2:
            raise OSError("the network is down")

    monkeypatch.setattr(giving.Giver, "_keep", breaking)
    with pytest.raises(BackendError, match="does not answer any more"):
        mapped([{"n": n} for n in range(12)], code="import time\ndef main(n): time.sleep(60)")
    client, topic = given[0]
    deadline = time.monotonic() + 60
    while any(str(key).startswith(topic) for keys in client.processing().values() for key in keys):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert on_scheduler(client, states, topic) == {}
