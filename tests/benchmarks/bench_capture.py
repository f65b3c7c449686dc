"""What surrounds a run, recorded with each: what it costs an inline run, and a process that starts one."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from harness import clean_room, milliseconds, row, turns

INLINE = 30e-6  # seconds a run, amortised over a process
RUNS = 2_000
PROCESS = 0.020  # seconds
FILES = 200
TURNS = 5
NOBODY = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


def checkout(folder: Path) -> None:
    """A repository with a change that is not committed."""
    for number in range(FILES):
        (folder / f"m{number}.py").write_text(f"NUMBER = {number}\n" * 50)
    for words in (("init", "-q"), ("add", "-A"), (*NOBODY, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    (folder / "m0.py").write_text("NUMBER = 1\n")


def main() -> None:
    """Measure and print."""
    with clean_room() as (folder, _):
        checkout(folder)
        os.chdir(folder)
        from framework.engine.capture import capture

        def nothing(*, runs: int) -> float:
            """The least that a run has of it: where it is, and a look at the clock."""
            started = time.perf_counter()
            for _ in range(runs):
                os.getcwd()  # noqa: PTH109  what the code under test uses
                time.monotonic()
            return time.perf_counter() - started

        def found(*, runs: int) -> float:
            capture._packages.clear()
            capture._probes.clear()
            started = time.perf_counter()
            looked = capture.Capture(folder, [folder / "m0.py"])
            for _ in range(runs):
                looked.facts()
            looked.settle()
            return time.perf_counter() - started

        bare, ours = turns(TURNS, lambda: nothing(runs=RUNS), lambda: found(runs=RUNS))
        row(
            f"what surrounds an inline run, of {RUNS:,} in a process, with git",
            f"≤ {INLINE * 1e6:.0f} µs a run",
            measured=f"{ours / RUNS * 1e6:.1f} µs",
            baseline=f"{bare / RUNS * 1e6:.1f} µs (folder and clock)",
            ratio=ours / bare,
            kept=ours / RUNS <= INLINE,
        )

        def git() -> float:
            started = time.perf_counter()
            for words in (("status", "--porcelain"), ("diff", "HEAD")):
                subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
            return time.perf_counter() - started

        bare, ours = turns(TURNS, git, lambda: found(runs=1))
        row(
            f"what surrounds a process run, from a changed checkout of {FILES} files",
            f"≤ {milliseconds(PROCESS)}",
            measured=milliseconds(ours),
            baseline=f"{milliseconds(bare)} (git status, git diff)",
            ratio=ours / bare,
            kept=ours <= PROCESS,
        )


if __name__ == "__main__":
    main()
