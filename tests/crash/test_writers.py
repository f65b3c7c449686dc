"""Eight processes write a thousand runs each into one SQLite file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framework.databases import RunQuery

PROCESSES, RUNS = 8, 1_000
SCRIPT = f"""
import framework as fw

@fw.function
def double(number: int) -> int:
    return 2 * number

for number in range({RUNS}):
    assert double.run(params={{"number": number}}).results["return"] == 2 * number
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_writer_is_locked_out_and_no_run_is_lost(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWORK_")}
    environment["FRAMEWORK_HOME"] = str(tmp_path / "home")
    writers = [
        subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    errors = [writer.communicate(timeout=280)[1] for writer in writers]
    assert errors == [""] * PROCESSES
    from framework.plugins.manager import Plugins

    database = Plugins().database(f"sqlite:///{tmp_path / 'home' / 'framework.db'}")
    assert database.count_runs(RunQuery(states=["completed"])) == PROCESSES * RUNS
    database.close()
