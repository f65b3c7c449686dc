"""Other versions on a cluster are told before a run is sent: of Python and Dask they refuse it, of others they warn."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from distributed import LocalCluster
from distributed.versions import get_versions

from framework.errors import BackendError, FrameworkWarning
from framework.runtimes import RuntimeContext
from framework.testing.running import submission
from framework_runtime_dask.provider import Place
from framework_runtime_dask.runtime import DaskRuntime
from framework_runtime_dask.versions import check_versions

PLACE = Place(provider="address", cluster="it", address="tcp://h:1", security={}, facts={})


def about(python="", **packages):
    facts = get_versions()
    host = {**facts["host"], **({"python": python} if python else {})}
    return {"host": host, "packages": {**facts["packages"], **packages}}


class Asked:
    """A client whose cluster has these."""

    def __init__(self, scheduler, worker):
        self.found = {"client": about(), "scheduler": scheduler, "workers": {"tcp://w:1": worker}}

    def get_versions(self, *, check):
        assert not check
        return self.found


@pytest.mark.parametrize(
    ("scheduler", "worker", "said"),
    [
        (about("3.7.4.final.0"), about(), r"the scheduler of tcp://h:1 runs Python 3\.7, and this process"),
        (about(), about("3.7.4.final.0"), r"the worker tcp://w:1 of tcp://h:1 runs Python 3\.7, and this process"),
        (
            about(),
            about(distributed="2021.1.0"),
            r"tcp://w:1 of tcp://h:1 has distributed 2021\.1\.0, and this process",
        ),
        (about(dask="2021.1.0"), about(), r"the scheduler of tcp://h:1 has dask 2021\.1\.0, and this process"),
    ],
)
def test_what_would_not_understand_is_refused(scheduler, worker, said):
    with pytest.raises(BackendError, match=said):
        check_versions(Asked(scheduler, worker), PLACE)


def test_the_same_says_nothing_and_what_one_side_lacks_neither():
    check_versions(Asked(about(), about(numpy=None, lz4="4.0.0")), PLACE)


def test_others_are_warned_of():
    patched = f"{get_versions()['packages']['distributed'].rpartition('.')[0]}.99"
    with pytest.warns(
        FrameworkWarning, match=rf"distributed: the scheduler has {re.escape(patched)}.*msgpack: the worker"
    ):
        check_versions(Asked(about(distributed=patched), about(msgpack="0.1")), PLACE)


OLDER = """
import sys, distributed.versions as versions
from dask.__main__ import main
ask = versions.get_package_info
versions.get_package_info = lambda names: {**ask(names), "distributed": "2021.1.0"}
sys.argv[0] = "dask"
main()
"""


@pytest.mark.slow
def test_a_worker_of_another_release_is_refused_before_the_run(tmp_path):
    """A real worker; only the version that it tells is not its own."""
    where = {"scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}  # and not the one that everybody wants
    with LocalCluster(n_workers=0, dashboard_address=None, **where) as cluster:
        line = [sys.executable, "-c", OLDER, "worker", cluster.scheduler_address, "--no-dashboard", "--no-nanny"]
        with (tmp_path / "log").open("wb") as log:
            worker = subprocess.Popen(line, cwd=tmp_path, stdout=log, stderr=log, env=os.environ)
        try:
            with cluster.get_client() as client:
                client.wait_for_workers(1, timeout=60)
            settings = {"provider": "address", "address": cluster.scheduler_address}
            runtime = DaskRuntime(RuntimeContext(home=str(tmp_path / "home"), settings=settings))
            planned = submission("dask", "def main(): pass")
            with pytest.raises(BackendError, match=r"has distributed 2021\.1\.0, and this process") as caught:
                runtime.submit(planned)
            assert "pip install distributed==2021.1.0" in caught.value.advice
            (finding,) = runtime.preflight(planned.function)
            assert not finding.ok
            assert "2021.1.0" in finding.message
        finally:
            worker.kill()
            worker.wait()
