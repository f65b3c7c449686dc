"""Memory of workers: what holds too much is ended by its name, and what does not goes on."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from distributed import KilledWorker

from framework.models import Function, FunctionMetadata
from framework.testing.running import RuntimeCase
from framework_runtime_dask.deaths import Deaths
from framework_runtime_dask.memory import RESTARTS, below, size, total
from framework_runtime_dask.options import DaskOptions
from framework_runtime_dask.providers.local import LocalProvider

GONE = SimpleNamespace(address="tcp://127.0.0.1:4242")
KILLED = f"KilledWorker({str(KilledWorker('f-1', GONE, 3))!r})"

HOLDER = """
import time
import framework as fw

def hold():
    held = bytearray(b"x") * (480 << 20)
    time.sleep(60)
    return len(held)

def main(context: fw.Context, elsewhere):
    client = context.dask_client
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    here = client.get_metadata(["framework", f"framework-{context.uid}-1", "claim"])["worker"]
    workers = [it for it in client.scheduler_info(n_workers=-1)["workers"] if (it != here) == elsewhere]
    return client.submit(hold, workers=workers).result()
"""


def restart(worker, rss=3 << 30):
    """An event of a nanny's, with the time at which the scheduler had it."""
    return (1.0, {"worker": worker, "pid": 7, "rss": rss})


def deaths(restarts=(), told=""):
    """What is asked of nannies that have told this, and of a provider."""
    asked = []
    client = SimpleNamespace(get_events=lambda topic: list(restarts) if topic == RESTARTS else [])
    return Deaths(client, lambda *about: asked.append(about) or told), asked


@pytest.mark.parametrize(
    ("restarts", "cause"),
    [
        ([restart("tcp://127.0.0.1:1"), restart("tcp://127.0.0.1:424"), restart("")], "Lost"),  # parts are others
        ([restart("tcp://127.0.0.1:1"), restart("tcp://127.0.0.1:4242")], "OutOfMemory"),
    ],
)
@pytest.mark.parametrize("of_task", [True, False])
def test_a_worker_that_died_is_out_of_memory_where_its_nanny_says_so(restarts, cause, of_task):
    told, asked = deaths(restarts)
    found = told.of_task(KILLED) if of_task else told.of_worker("tcp://127.0.0.1:4242", 7.0)
    assert (found["state"], found["cause"]) == ("failed", cause)
    assert ("3.0 GiB" in found["message"]) == (cause == "OutOfMemory")
    assert "tcp://127.0.0.1:4242" in found["message"]
    assert found["advice"]
    assert asked == ([("tcp://127.0.0.1:4242", 0.0 if of_task else 7.0)] if cause == "Lost" else [])


def test_a_worker_that_died_is_out_of_memory_where_its_provider_says_so_which_is_asked_once():
    told, asked = deaths(told="the kernel killed the pod")
    for found in (told.of_worker("tcp://127.0.0.1:4242", 7.0), told.of_task(KILLED)):
        assert found["cause"] == "OutOfMemory"
        assert "the kernel killed the pod" in found["message"]
    assert len(asked) == 1


def test_sizes_for_people():
    assert [size(number) for number in (0, 512 << 20, 1 << 30, 1.5 * 2**30)] == [
        "0 MiB",
        "512 MiB",
        "1.0 GiB",
        "1.5 GiB",
    ]


def test_all_processes_below_one_count():
    assert total(-1, lambda pid: 1 if pid == -1 else 100) == 1  # one that is gone has none
    assert below(-1) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The home of a cluster of two workers, with two places and 512 MiB each."""
    home = tmp_path_factory.mktemp("small")
    provider = LocalProvider(home)
    function = Function(kind="dask", metadata=FunctionMetadata(name="small"))
    function.spec.scale.replicas = 2
    provider.ensure(function, DaskOptions(threads=2, memory="512MiB", idle_timeout="1h"))
    yield home
    for place in provider.clusters():
        provider.close(place)


@pytest.mark.slow
class TestLimit(RuntimeCase):
    kind = "dask"

    @pytest.fixture
    def home(self, tmp_path, small):
        home = tmp_path / "home"
        (home / "dask" / "clusters").mkdir(parents=True)
        for name in ("default-", "default-job"):
            (home / "dask" / "clusters" / name).symlink_to(small / "dask" / "clusters" / "default-small")
        return home

    def test_the_run_that_holds_the_most_ends_and_the_other_goes_on(self, start, run, tmp_path):
        code = (
            "import pathlib, sys, time\n"
            "def main(size, gate):\n"
            " held = bytearray(b'x') * (size << 20)\n"
            " print('holds', flush=True)\n"
            " while not pathlib.Path(gate).exists(): time.sleep(0.02)\n"
            " return len(held) >> 20"
        )
        gate = tmp_path / "open"
        little = [
            start(code, params={"size": 20, "gate": str(gate)}) for _ in range(2)
        ]  # one beside it, wherever it is
        for each in little:
            each.printed("holds")
        ran = run(code, params={"size": 500, "gate": str(gate)})
        assert (ran.state, ran.cause) == ("failed", "OutOfMemory"), ran
        said = r"its worker worker-\d has 512 MiB of memory and held \d+ MiB, of which this run held the most, \d+ MiB"
        assert re.search(said, ran.status["message"]), ran
        assert "-o memory=" in ran.status["advice"]
        gate.touch()
        assert [each.finish().results.get("return") for each in little] == [20, 20]

    @pytest.mark.parametrize("elsewhere", [True, False])
    def test_a_task_that_holds_too_much_ends_its_worker_and_the_run_says_why(self, run, elsewhere):
        ran = run(HOLDER, params={"elsewhere": elsewhere})
        assert (ran.state, ran.cause) == ("failed", "OutOfMemory"), ran
        assert re.search(r"the nanny of tcp://\S+ ended it for its memory, at \d+ MiB", ran.status["message"]), ran
        assert "KilledWorker" in ran.status["message"] or not elsewhere
        assert "-o memory=" in ran.status["advice"]
