"""A client in a process of its own: ``python -m framework.testing.database_writer MODULE:CLASS URL TASK RUNS``."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from framework.testing.database_bed import run_document, uid_of, whole_run

if TYPE_CHECKING:
    from framework.databases import Database


def write(database: Database, count: int) -> None:
    """Write runs from their creation to their end, as an inline run does: two transactions each."""
    for number in range(count):
        run = run_document(params={"n": number, "pid": os.getpid()}, kind="inline")
        database.create_run(run)
        database.apply(uid_of(run), whole_run(run))


def write_together(database: Database, count: int) -> None:
    """Write runs as a map does: many in one call."""
    for _ in range(count):
        runs = [run_document() for _ in range(30)]
        database.create_runs(runs)
        database.apply_all({uid_of(run): whole_run(run) for run in runs})


def fork_and_write(database: Database, count: int) -> None:
    """Write before a fork, and on both sides of it."""
    write(database, 1)
    child = os.fork()
    write(database, count)
    if child == 0:
        os._exit(0)
    _, status = os.waitpid(child, 0)
    write(database, 1)
    sys.exit(os.waitstatus_to_exitcode(status))


def main(target: str, url: str, task: str, count: str) -> None:
    """Open the database and do the task."""
    module, _, name = target.partition(":")
    database: Database = getattr(import_module(module), name)(url)
    sys.stdout.write("open\n")
    sys.stdout.flush()
    sys.stdin.readline()  # all begin together
    {"write": write, "together": write_together, "fork": fork_and_write}[task](database, int(count))
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
