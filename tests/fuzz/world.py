"""A home with a little of everything, which command lines are tried on."""

from __future__ import annotations

import os
from pathlib import Path

from framework.engine.session import Session
from framework.testing.database_bed import function_document, run_document, uid_of, whole_run

UID = "0198c000-0000-7000-8000-000000000001"


def make(folder: Path) -> None:
    """Make the home, set the environment to it, and go to a folder with a file of functions."""
    for name in [name for name in os.environ if name.startswith("FRAMEWORK_")]:
        del os.environ[name]
    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    os.environ["FRAMEWORK_HOME"] = str(home)
    os.chdir(work)
    (work / "job.py").write_text("def work(depth: int = 3) -> int:\n    return depth\n")
    (work / "x.yaml").write_text("kind: local\nmetadata: {name: train}\n")
    database = Session().database
    for number in range(3):
        run = run_document(UID[:-1] + str(number + 1), params={"depth": number})
        database.create_run(run)
        database.apply(uid_of(run), whole_run(run)[: 10 - 3 * number])
    for version in "ab":
        database.put_function(function_document(version))
    database.close()
