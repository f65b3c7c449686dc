"""``framework function advise``: percentiles, headroom, and what there is too little of."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.engine import advising

FUNCTION = f"db://default/train@sha256:{'1' * 64}"
MIB = 2**20


@pytest.fixture
def ran(add_run):
    """Keep a run that has used so much memory, in MiB, and CPU, in seconds of its three."""

    def add(memory, cpu=1.5, **end):
        peak = {"memory": memory * MIB, "cpu": cpu}
        spec = {"function": FUNCTION, "kind": "local", **end.pop("spec", {})}
        return add_run(spec=spec, end={"state": "completed", "peak": peak, **end})

    return add


def advice(cli, *words):
    done = cli("function", "advise", "train", "--json", *words)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_requests_and_limits_come_of_what_was_used(cli, ran):
    for memory in range(100, 200, 10):
        ran(memory)
    found = advice(cli)
    memory = found["memory"]
    assert (memory["runs"], memory["median"], memory["typical"], memory["most"]) == (
        10,
        140 * MIB,
        180 * MIB,
        190 * MIB,
    )
    assert (memory["request"], memory["limit"]) == ("180Mi", "228Mi")
    assert (found["cpu"]["request"], found["cpu"]["limit"]) == ("500m", "1")
    assert found["flags"] == [
        "--request memory=180Mi", "--request cpu=500m", "--limit memory=228Mi", "--limit cpu=1"
    ]  # fmt: skip


def test_a_limit_that_was_too_low_counts(cli, ran):
    ran(100)
    killed = {"state": "failed", "cause": "OutOfMemory", "message": "killed"}
    ran(90, spec={"resources": {"limits": {"memory": "1Gi"}}}, **killed)
    found = advice(cli)
    assert found["memory"]["killed_at"] == [2**30]
    assert found["memory"]["limit"] == "1536Mi"
    assert "out of memory at the limit 1.0 GiB" in cli("function", "advise", "train").err


def test_the_flags_can_be_pasted(cli, ran):
    ran(100)
    done = cli("function", "advise", "train")
    assert done.out.splitlines()[-1] == "--request memory=100Mi --request cpu=500m --limit memory=120Mi --limit cpu=1"
    assert "So few runs say little" in done.err


def test_runs_that_failed_otherwise_say_nothing_of_their_need(cli, ran):
    ran(100)
    ran(900, state="failed", cause="UserError", message="boom")
    assert advice(cli)["memory"]["most"] == 100 * MIB


def test_one_version_or_the_newest_runs_alone(cli, ran):
    ran(100)
    ran(300)
    assert advice(cli, "--last", "1")["memory"]["runs"] == 1
    done = cli("function", "advise", f"train@sha256:{'2' * 64}")
    assert (done.code, "no run of" in done.err) == (2, True)


def test_a_function_without_runs_is_said(cli):
    done = cli("function", "advise", "nothing")
    assert done.code == 2
    assert "Run it apart" in done.err


@given(st.lists(st.floats(1, 2**40), min_size=1))
def test_the_request_is_within_the_limit_and_the_limit_above_all(amounts):
    from framework_run.quantities import parse

    used = advising._memory(amounts, [])
    assert parse(used.request) <= parse(used.limit)
    assert parse(used.limit) >= max(amounts)
    assert sum(amount <= parse(used.request) for amount in amounts) >= 0.9 * len(amounts)
