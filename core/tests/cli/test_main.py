from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from framework.cli.index import GROUPS, ROOT
from framework.cli.lazy import LazyGroup
from framework.cli.main import execute, root

HEAVY = ("cattrs", "peewee", "yaml", "pluggy", "framework.engine", "framework.models", "framework.cli.run")


def every_command() -> list[tuple[str, ...]]:
    groups = [(name, command) for name, table in GROUPS.items() for command in table]
    return [*((name,) for name, entry in ROOT.items() if entry.target), *groups]


def command(path: tuple[str, ...]) -> click.Command:
    found: click.Command = root
    for name in path:
        assert isinstance(found, LazyGroup)
        step = found.get_command(click.Context(found), name)
        assert step is not None
        found = step
    return found


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_the_line_in_the_table_is_the_commands_own_help(path):
    entry = ROOT[path[0]] if len(path) == 1 else GROUPS[path[0]][path[1]]
    if path == ("logs",):
        return  # the alias says what it is an alias of
    assert (command(path).help or "").startswith(entry.help.removesuffix("."))


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["runs", "--help"]])
def test_help_and_version_import_nothing_heavy(words):
    script = (
        "import sys; from framework.cli.main import execute; execute(sys.argv[1:]);"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.endswith("heavy: []\n")


def test_help_lists_every_command_under_a_heading(capsys):
    assert execute(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in ROOT)
    assert "Run and watch:" in printed


def test_version_is_one_line(capsys):
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out.startswith("framework 0.")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["rnu"], "'run'"),
        (["runs", "lst"], "'list'"),
        (["function", "histroy"], "'history'"),
        (["runs", "list", "--nmae"], "--name"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(words, meant, capsys):
    assert execute(words) == 2
    printed = capsys.readouterr().err
    assert meant in printed
    assert "Next: framework" in printed
    assert "Traceback" not in printed


def test_a_group_alone_shows_its_help_as_too_little(capsys):
    assert execute(["runs"]) == 2
    assert "compare" in capsys.readouterr().err


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "framework", "--version"], capture_output=True, timeout=60, check=True)
    assert done.stdout.startswith(b"framework 0.")


def test_a_reader_that_goes_away_is_no_error():
    script = f"{sys.executable} -m framework --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "141"}


@pytest.mark.parametrize(
    ("words", "variable", "colored"),
    [
        (["runs", "show", "ffff"], "", True),
        (["runs", "show", "ffff"], "1", False),
        (["plugins"], "", True),
        (["plugins"], "1", False),
    ],
)
def test_colours_are_for_terminals_and_honour_no_color(words, variable, colored, monkeypatch):
    monkeypatch.setenv("NO_COLOR", variable)
    reading, writing = os.openpty()
    command_line = [sys.executable, "-m", "framework", *words]
    subprocess.run(command_line, stdout=writing, stderr=writing, timeout=60, check=False)
    printed = os.read(reading, 100_000)
    os.close(writing)
    os.close(reading)
    assert (b"\x1b[" in printed) is colored
    assert b"\x1b[" not in subprocess.run(command_line, capture_output=True, timeout=60, check=False).stdout
