from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from framework import errors
from framework.api.runs import RunFailed
from framework.cli import reporting
from framework.cli.reporting import report

OPERATOR = ["x.py:f", "--kind", "dask", "--image", "with/dask:1", "--set", "spec.a=1", "-o", "provider=operator"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FRAMEWORK_DEBUG", raising=False)
    return tmp_path / "home"


def said(error: BaseException, words: list[str], capsys: Any) -> tuple[int, list[str]]:
    code = report(error, words)
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err.splitlines()


def test_an_error_is_its_message_its_mend_and_one_next_command(capsys):
    error = errors.UnknownKind("unknown kind 'dusk'", advice="Installed are: local.")
    assert said(error, ["run", "x.py"], capsys) == (
        2,
        ["Error: unknown kind 'dusk'", "Installed are: local.", "Next: framework plugins"],
    )


@pytest.mark.parametrize(
    ("error", "words", "code", "following"),
    [
        (errors.NotFound("no run"), ["runs", "show", "x"], 2, "framework runs list"),
        (errors.NotFound("no function"), ["function", "show", "x"], 2, "framework function list"),
        (errors.NotFound("no file"), ["run", "x.py"], 2, "framework run --help"),
        (errors.NotFound("no run"), ["logs", "x"], 2, "framework runs list"),
        (errors.DatabaseError("it is newer"), ["runs", "list"], 1, "framework doctor"),
        (errors.BackendError("away"), ["run", "x.py"], 1, "framework doctor"),
        (errors.BackendError("away"), ["run", "x.py", "--kind", "job"], 1, "framework doctor x.py --kind job"),
        (errors.BackendError("away"), ["run", *OPERATOR, "-p", "n=4"], 1, f"framework doctor {' '.join(OPERATOR)}"),
        (errors.BackendError("away"), ["run", "--kind=job", "x.py"], 1, "framework doctor --kind job"),
        (errors.BackendError("away"), ["runs", "gc", "--kind", "job"], 1, "framework doctor --kind job"),
        (errors.BackendError("away"), ["run", "x.py", "--", "--kind", "job"], 1, "framework doctor"),
        (errors.BackendError("away"), ["run", "x.py", "--kind"], 1, "framework doctor"),
        (errors.DatabaseError("it is newer"), ["run", "x.py", "--kind", "job"], 1, "framework doctor"),
        (errors.ConditionError("no"), ["runs", "list"], 2, "framework runs list --help"),
        (errors.ParameterError("no"), ["run", "x.py:f"], 2, "framework run --help"),
        (RunFailed("it failed", SimpleNamespace(uid="0198")), ["run"], 1, "framework runs show 0198"),
    ],
)
def test_the_next_command_fits_the_error_and_the_command(error, words, code, following, capsys):
    status, lines = said(error, words, capsys)
    assert (status, lines[-1]) == (code, f"Next: {following}")


def test_advice_that_is_a_command_needs_no_other(capsys):
    error = errors.UnknownKind("unknown kind 'dask'", advice="Try: pip install framework-runtime-dask")
    assert not any(line.startswith("Next") for line in said(error, ["run"], capsys)[1])


def test_a_long_message_ends_within_fifteen_lines(capsys):
    error = errors.UsageError("\n".join(map(str, range(1000))), advice="Do\nthis.")
    lines = said(error, [], capsys)[1]
    assert len(lines) <= 15
    assert "989 more lines" in "\n".join(lines)
    assert "Do this." in lines


def test_one_endless_line_is_cut(capsys):
    lines = said(errors.UsageError("x" * 10_000_000), [], capsys)[1]
    assert len(lines[0]) < 1100


def test_an_error_that_nobody_foresaw_is_a_bug_in_two_lines_with_its_traceback_in_a_file(capsys, home):
    code, lines = said(ZeroDivisionError("division by zero"), ["runs", "list"], capsys)
    assert code == 1
    assert lines[0] == "Error: this is a bug in framework: ZeroDivisionError: division by zero"
    assert len(lines) == 2
    kept = list((home / "errors").iterdir())
    assert str(kept[0]) in lines[1]
    assert "ZeroDivisionError" in kept[0].read_text()


def test_a_bug_is_reported_even_where_nothing_can_be_written(capsys, monkeypatch):
    monkeypatch.setattr(reporting, "_home", lambda: Path("/proc/nowhere"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc/nowhere")
    assert "nowhere" in said(ZeroDivisionError(), [], capsys)[1][1]


def test_what_the_machine_refuses_is_no_bug(capsys, home):
    code, lines = said(OSError(errno.ENOSPC, "No space left on device", "/data/x"), ["run"], capsys)
    assert (code, lines[0]) == (1, "Error: No space left on device: /data/x")
    assert not home.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_130(error, capsys):
    code, lines = said(error, ["run"], capsys)
    assert (code, lines[-1]) == (130, "Interrupted.")


def test_a_traceback_is_shown_only_for_debugging(capsys, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_DEBUG", "1")
    try:
        raise errors.UsageError("deep")  # noqa: TRY301  it needs a traceback
    except errors.UsageError as error:
        lines = said(error, [], capsys)[1]
    assert lines[0] == "Traceback (most recent call last):"
    assert "Error: deep" in lines


def test_stray_bytes_of_a_command_line_are_no_bug(cli):
    done = cli("db", "merge", "\udcff")
    assert done.code == 2
    assert "no UTF-8" in done.err
