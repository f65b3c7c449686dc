"""Limits of time: until the code begins, and from there to its end."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from framework_run import environments, timelimits
from framework_run.timelimits import TimeLimits


@contextmanager
def _held(requirements: list[str], cache: str):
    """The environment of these requirements is being made by somebody else."""
    place = environments.folder(requirements, sys.executable, cache)
    place.parent.mkdir(parents=True, exist_ok=True)
    with environments._locked(place.with_suffix(".lock"), lambda _line: None):
        yield


def test_code_that_does_not_begin_in_time_is_ended(script, tmp_path):
    cache = str(tmp_path / "envs")
    with _held(["something"], cache):
        run = script(
            "print('never')", requirements=["something"], environments=cache, timeouts={"pending": 0.5, "grace": 10}
        )
        end = run.end
    assert (end["state"], end["cause"]) == ("failed", "Timeout")
    assert end["message"].startswith("its code had not begun after its limit of 0.5 s")
    assert "--pending-timeout" in end["advice"]
    assert "never" not in run.log()


def test_code_that_has_begun_is_not_pending_any_more(script):
    run = script("import time; time.sleep(5); print('done')", timeouts={"pending": 4.0, "run": 60})
    assert run.end["state"] == "completed"


def test_each_limit_counts_from_its_own_beginning(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(timelimits.time, "monotonic", lambda: now[0])
    limits = TimeLimits({"pending": 5, "run": 7})
    assert (limits.next, limits.end()["message"]) == (105.0, "its code had not begun after its limit of 5 s")
    now[0] = 103.0
    limits.begin()
    assert (limits.next, limits.end()["message"]) == (110.0, "it ran longer than its limit of 7 s")


def test_without_limits_nothing_is_ever_due():
    limits = TimeLimits({})
    assert (limits.next, limits.grace) == (float("inf"), 10.0)
    limits.begin()
    assert limits.next == float("inf")
    assert TimeLimits({"grace": 0}).grace == 0.0
