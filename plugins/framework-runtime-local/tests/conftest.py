"""A runtime with a home of its own, and runs that do not outlive their test."""

from __future__ import annotations

import pytest

from framework.runtimes import RuntimeContext
from framework.testing.running import Live, submission
from framework_runtime_local.runtime import LocalRuntime


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def runtime(home):
    return LocalRuntime(RuntimeContext(home=str(home)))


@pytest.fixture
def start(runtime):
    started = []

    def begin(code="def main(): pass", **over):
        planned = submission("local", code, **over)
        live = Live(runtime, planned, runtime.submit(planned))
        started.append(live)
        return live

    yield begin
    for live in started:
        if runtime.observe(live.handle).alive:
            runtime.cancel(live.handle, 0)
            live.finish()
        runtime.cleanup(live.handle)
