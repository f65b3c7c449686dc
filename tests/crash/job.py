"""What the crash harness runs: it logs, measures, and leaves a mark when it has done all of it."""

import os
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


def stumble(context: Context, marks: str, times: int = 2) -> int:
    """Fail the first times."""
    (Path(marks) / f"{context.uid}.{context.attempt}.{os.getpid()}").touch()
    print(f"attempt {context.attempt}")  # noqa: T201  as above
    time.sleep(0.2)
    if context.attempt <= times:
        raise ConnectionError("not yet")
    return context.attempt
