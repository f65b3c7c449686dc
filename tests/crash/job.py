"""What the crash harness runs: it logs, measures, and leaves a mark when it has done all of it."""

import time
from pathlib import Path

from framework_run.context import Context


def work(context: Context, marks: str, steps: int = 20) -> int:
    for step in range(steps):
        print(f"step {step}")  # noqa: T201  output is what it is about
        context.log_metric("step", step, step=step)
        time.sleep(0.01)
    context.log_result("steps", steps)
    (Path(marks) / context.uid).touch()
    return steps
