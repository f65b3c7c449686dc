"""What a handler has on a cluster: a client of its own, its own code, the folder that it was started in."""

from __future__ import annotations

import pytest

from framework.testing.running import RuntimeCase


class TestHandler(RuntimeCase):
    kind = "dask"

    @pytest.fixture
    def home(self, shared_home):
        return shared_home

    def test_what_it_submits_runs_on_the_workers(self, run):
        code = (
            "import os, framework as fw\n"
            "def main(context: fw.Context):\n"
            " client = context.dask_client\n"
            " assert client is fw.context().dask_client\n"
            " pids = client.gather([client.submit(os.getpid, pure=False) for _ in range(8)])\n"
            " return [len(set(pids)), os.getpid() in pids]"
        )
        ran = run(code)
        assert ran.state == "completed", ran
        assert ran.results["return"][0] >= 1
        assert ran.results["return"][1] is False

    def test_more_handlers_that_wait_for_tasks_than_there_are_places(self, start):
        code = "import framework as fw\ndef main(n): return fw.context().dask_client.submit(pow, n, 2).result()"
        started = [start(code, params={"n": n}) for n in range(10)]  # of eight places
        assert [live.finish().results.get("return") for live in started] == [n * n for n in range(10)]

    def test_another_name_is_no_attribute(self, run):
        ran = run("import framework as fw\ndef main(): return fw.context().cluster")
        assert ran.cause == "UserError"
        assert "no 'cluster'" in ran.status["message"]
