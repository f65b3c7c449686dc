"""tqdm in a run: its bars are progress, and not ten thousand lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("tqdm")
SOURCE = """
import sys
from tqdm import tqdm
def main():
    print("begin", file=sys.stderr)
    for _ in tqdm(range(5_000), desc="epoch", mininterval=0, miniters=1):
        pass
    print("end", file=sys.stderr)
"""


def test_the_bars_of_a_run_are_its_progress(either: Callable[..., Any]) -> None:
    run = either(SOURCE)
    assert run.end["state"] == "completed"
    lines = run.log("stderr").splitlines()
    assert [lines[0], lines[-1]] == ["begin", "end"]
    assert lines[1].startswith("epoch: 100%|")
    assert len(lines) == 3
    said = run.of("progress")
    assert {**said[-1], "rate": 0} == {"done": 5_000, "total": 5_000, "unit": "it", "text": "epoch", "rate": 0}
    assert len(said) < 1_000  # four a second, however slow the machine
