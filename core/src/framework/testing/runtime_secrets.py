"""Secrets: resolved where the run is, before the user's code; masked in all that comes back."""

from __future__ import annotations

import json
from typing import Any

from framework.testing.running import Run, RuntimeCase

_PLACE = "/proc/sys/kernel/ostype"  # a file with the same text on every Linux, inside of any container too
_VALUE = "Linux"
_CODE = """
import os, sys
import framework as fw
def main():
    value = os.environ["SUITE_SECRET"]
    print("it is", value, len(value))
    sys.stdout.write(value[:2]); sys.stdout.flush(); print(value[2:])
    fw.context().log_results({"value": value, "length": len(value)})
    raise ValueError("no " + value)
"""


def _reference(key: str) -> dict[str, Any]:
    return {"store": "file", "key": key, "target": "framework_run.secrets:FileStore", "options": {}}


class SecretsSuite(RuntimeCase):
    """What a runtime may not forget of them: that they are the supervisor's."""

    def test_a_secret_is_there_and_in_nothing_that_comes_back(self, run: Run) -> None:
        ran = run(_CODE, secrets={"SUITE_SECRET": _reference(_PLACE)})
        assert (ran.state, ran.cause) == ("failed", "UserError"), ran
        assert ran.log() == b"it is *** 5\n***\n"
        assert ran.results == {"value": "***", "length": 5}
        assert ran.status["message"] == "ValueError: no ***"
        told = [event for event in ran.events if event["kind"] not in {"environment", "state"}]  # facts of the system
        assert _VALUE not in json.dumps(told)

    def test_a_placeholder_is_filled_where_the_run_is(self, run: Run) -> None:
        code = "def main(url: str): return len(url)"
        ran = run(code, secrets={"SUITE_SECRET": _reference(_PLACE)}, params={"url": "x/{secret:SUITE_SECRET}"})
        assert ran.results == {"return": 7}, ran

    def test_a_secret_that_is_not_there_ends_the_run_before_its_code(self, run: Run) -> None:
        ran = run("print('begun')\ndef main(): pass", secrets={"SUITE_SECRET": _reference("/not/there")})
        assert (ran.state, ran.cause) == ("failed", "BadInput"), ran
        assert "the secret SUITE_SECRET (file:/not/there) is not there" in ran.status["message"]
        assert ran.log() == b""
