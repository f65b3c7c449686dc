"""What the benchmarks share: clean rooms, interleaved timing, and the rows of the table.

Every figure is measured beside a bare baseline in the same run, because absolute times say more about the machine and
its other users than about the code. Measured and bare take turns, so that a busy moment falls on both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HEADING = "| what | budget | measured | bare baseline | ratio | kept |\n|---|---|---|---|---|---|"


def row(what: str, budget: str, *, measured: str, baseline: str, ratio: float, kept: bool) -> None:
    """Print one row of the table.

    Args:
        what: What was measured.
        budget: What it may be.
        measured: What it is, with its unit.
        baseline: What the bare thing takes, with its unit, and what that is.
        ratio: Measured over baseline.
        kept: Whether the budget is kept.
    """
    print(f"| {what} | {budget} | {measured} | {baseline} | {ratio:.2f} | {'yes' if kept else '**no**'} |", flush=True)


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"


def rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s"


def turns(count: int, *measured: Callable[[], float]) -> list[float]:
    """The median of each, measured in turns.

    Args:
        count: How often each is measured.
        measured: Each returns what it took, in seconds.
    """
    taken = [[each() for each in measured] for _ in range(count)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def totals(count: int, *measured: Callable[[], float]) -> list[float]:
    """The sum of each, measured in turns: for what now and then does the work of many, such as moving a WAL.

    Args:
        count: How often each is measured.
        measured: Each returns what it took, in seconds.
    """
    taken = [[each() for each in measured] for _ in range(count)]
    return [sum(column) for column in zip(*taken, strict=True)]


def process(command: Sequence[str | Path], environment: dict[str, str], folder: Path) -> Callable[[], float]:
    """How long a process takes from its start to its end, in seconds."""

    def measure() -> float:
        started = time.perf_counter()
        subprocess.run(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return time.perf_counter() - started

    return measure


@contextmanager
def clean_room() -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty folder, and an environment whose FRAMEWORK_HOME lies in it; both are this process's own as well."""
    with tempfile.TemporaryDirectory(prefix="framework-benchmark-") as name:
        folder = Path(name)
        for key in [key for key in os.environ if key.startswith("FRAMEWORK_")]:
            del os.environ[key]
        os.environ["FRAMEWORK_HOME"] = str(folder / "home")
        work = folder / "work"
        work.mkdir()
        yield work, dict(os.environ)


def program(name: str) -> Path:
    """A console script of this Python's environment."""
    return Path(sys.executable).parent / name
