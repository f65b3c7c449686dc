"""How long one waits for the tool: import, help, a script to its first tracked run, one ``framework run``."""

from __future__ import annotations

import sys

from harness import clean_room, milliseconds, process, program, row, turns

IMPORT = 0.080  # seconds over a bare interpreter
FIRST_RUN = 0.220
HELP = 0.120
RUN = 0.300
TURNS = 15

HANDLER = """
def double(number: int = 21) -> int:
    return 2 * number
"""

SCRIPT = """
import framework as fw

@fw.function
def double(number: int = 21) -> int:
    return 2 * number

run = double.run(params={"number": 21})
assert run.results["return"] == 42
"""

BARE_CLICK = """
import click

@click.command()
def main():
    pass

main()
"""

BARE_RUN = """
import sqlite3, subprocess, sys
import click

@click.command()
def main():
    database = sqlite3.connect("bare.db")
    database.execute("create table if not exists runs (document text)")
    database.execute("insert into runs values ('created')")
    database.commit()
    subprocess.run([sys.executable, "-c", "import handler; handler.double()"], check=True)
    database.execute("insert into runs values ('completed')")
    database.commit()

main()
"""


def main() -> None:
    """Measure and print."""
    python = sys.executable
    with clean_room() as (folder, environment):
        for name, source in {
            "handler": HANDLER,
            "script": SCRIPT,
            "bare_click": BARE_CLICK,
            "bare_run": BARE_RUN,
        }.items():
            (folder / f"{name}.py").write_text(source)

        framework = program("framework")
        process([framework, "run", "handler.py:double"], environment, folder)()  # the home exists from here on
        bare, imported, script = turns(
            TURNS,
            process([python, "-c", "pass"], environment, folder),
            process([python, "-c", "import framework"], environment, folder),
            process([python, "script.py"], environment, folder),
        )
        over = imported - bare
        row(
            "`import framework`, over a bare interpreter",
            f"≤ {milliseconds(IMPORT)}",
            measured=milliseconds(over),
            baseline=f"{milliseconds(bare)} (interpreter)",
            ratio=imported / bare,
            kept=over <= IMPORT,
        )
        row(
            "a script to the end of its first tracked inline run",
            f"≤ {milliseconds(FIRST_RUN)}",
            measured=milliseconds(script),
            baseline=f"{milliseconds(bare)} (interpreter)",
            ratio=script / bare,
            kept=script <= FIRST_RUN,
        )
        click, helped, version = turns(
            TURNS,
            process([python, "bare_click.py", "--help"], environment, folder),
            process([framework, "--help"], environment, folder),
            process([framework, "--version"], environment, folder),
        )
        for name, taken in (("--help", helped), ("--version", version)):
            row(
                f"`framework {name}`",
                f"≤ {milliseconds(HELP)}",
                measured=milliseconds(taken),
                baseline=f"{milliseconds(click)} (click)",
                ratio=taken / click,
                kept=taken <= HELP,
            )
        by_hand, run = turns(
            TURNS,
            process([python, "bare_run.py"], environment, folder),
            process([framework, "run", "handler.py:double"], environment, folder),
        )
        row(
            "`framework run file.py:function`, end to end",
            f"≤ {milliseconds(RUN)}",
            measured=milliseconds(run),
            baseline=f"{milliseconds(by_hand)} (click, SQLite, a child)",
            ratio=run / by_hand,
            kept=run <= RUN,
        )


if __name__ == "__main__":
    main()
