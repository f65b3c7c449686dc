"""The one place where an error becomes text on standard error and an exit status.

At most 15 lines: what is wrong, how to mend it, one next command. A traceback of ours is shown only with
``FRAMEWORK_DEBUG=1``; an error that nobody foresaw is called a bug, and its traceback is written to a file.
"""

from __future__ import annotations

import errno
import itertools
import os
import shlex
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from framework.cli.index import GROUPS, ROOT
from framework.errors import (
    BackendError,
    CapabilityMissing,
    DatabaseError,
    FrameworkError,
    NotFound,
    NotificationError,
    PluginError,
    StorageError,
    UnknownKind,
    UsageError,
)

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE
_LINES: Final = 12  # of the message; with the cut, the advice and the next command 15
_WIDTH: Final = 1000  # characters of one line
_ENVIRONMENT: Final = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)
"""What the machine refuses: reported as it is, never called a bug."""

_DOCTOR: Final = "framework doctor"
_NEXT: Final[tuple[tuple[type[FrameworkError], str], ...]] = (
    (UnknownKind, "framework plugins"),
    (PluginError, "framework plugins"),
    (CapabilityMissing, "framework plugins"),
    (BackendError, _DOCTOR),
)
_OF_NO_KIND: Final = (DatabaseError, StorageError, NotificationError)


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Say what is wrong on standard error.

    Args:
        error: What was raised.
        arguments: The words of the command line, which decide on the next command.

    Returns:
        The exit status.
    """
    if isinstance(error, BrokenPipeError):
        return _silence()
    if os.environ.get("FRAMEWORK_DEBUG") and not isinstance(error, (KeyboardInterrupt, click.Abort)):
        traceback.print_exception(error)
    try:
        return _report(error, command_of(arguments), doctor_of(arguments))
    except BrokenPipeError:
        return _silence()


def _report(error: BaseException, command: str, doctor: str) -> int:
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        click.echo("\nInterrupted.", err=True)
        return INTERRUPTED
    if isinstance(error, FrameworkError):
        _write(error.message, error.advice, next_command(error, command, doctor))
        return error.exit_code
    if isinstance(error, click.ClickException):
        return _usage(error, command)
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT:
        name = f": {error.filename}" if error.filename else ""
        _write(f"{error.strerror}{name}", "", _DOCTOR)
        return 1
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        _write(f"{error.object!r} holds bytes that are no UTF-8", "Give it in UTF-8.", f"{command} --help")
        return UsageError.exit_code
    kept = _keep(error)
    summary = traceback.format_exception_only(error)[-1].strip()
    click.echo(f"Error: this is a bug in framework: {_cut(summary)}", err=True)
    click.echo(f"Its traceback is in {kept}; please report it with the command that you ran.", err=True)
    return 1


def command_of(arguments: Sequence[str]) -> str:
    """The command that a command line names: ``framework runs show``."""
    words = [word for word in arguments if not word.startswith("-")]
    path = ["framework"]
    if words and words[0] in ROOT:
        path.append(words[0])
        if len(words) > 1 and words[1] in GROUPS.get(words[0], {}):
            path.append(words[1])
    return " ".join(path)


def doctor_of(arguments: Sequence[str]) -> str:
    """The `framework doctor` that looks at what a command line names: the kind, and of `run` the function as well."""
    ours = list(itertools.takewhile(lambda word: word != "--", arguments))  # what follows is the function's own
    found = list(_given(ours, ("--kind",)))
    if not found:
        return _DOCTOR
    target = ours[1:2] if ours[0] == "run" and not ours[1].startswith("-") else []
    flags = _given(ours, ("--image", "--set", "-o")) if target else ()
    return shlex.join([*_DOCTOR.split(), *target, *(word for flag in (found[0], *flags) for word in flag)])


def _given(words: Sequence[str], flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Those of some flags that are given, with their values."""
    for word, following in itertools.pairwise([*words, ""]):
        name, has_value, value = word.partition("=")
        if word in flags and following:
            yield word, following
        elif has_value and name in flags and name.startswith("--"):
            yield name, value


def next_command(error: FrameworkError, command: str, doctor: str = _DOCTOR) -> str:
    """What to type next; empty where the advice says it already."""
    if "framework " in error.advice or "pip install" in error.advice:
        return ""
    from framework.api.runs import RunFailed

    if isinstance(error, RunFailed):
        return f"framework runs show {error.run.uid}"
    if isinstance(error, NotFound):
        return _listing(command)
    found = next((command for group, command in _NEXT if isinstance(error, group)), f"{command} --help")
    return doctor if found == _DOCTOR and not isinstance(error, _OF_NO_KIND) else found


def _listing(command: str) -> str:
    group = command.split()[1:2]
    if group and "list" in GROUPS.get(group[0], {}):
        return f"framework {group[0]} list"
    return f"{command} --help" if group == ["run"] else "framework runs list"


def _usage(error: click.ClickException, command: str) -> int:
    ctx = getattr(error, "ctx", None)
    _write(error.format_message(), "", f"{ctx.command_path if ctx else command} --help")
    return error.exit_code


def _write(message: str, advice: str, following: str) -> None:
    lines = (message or "no message").splitlines()
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"… and {len(lines) - _LINES + 1} more lines"]
    color = False if os.environ.get("NO_COLOR") else None  # no context is left here that would say it
    click.echo(click.style("Error: ", fg="red", bold=True) + _cut(lines[0]), err=True, color=color)
    for line in lines[1:]:
        click.echo(_cut(line), err=True)
    if advice:
        click.echo(_cut(" ".join(advice.splitlines())), err=True)
    if following:
        click.echo(f"Next: {following}", err=True)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}… ({len(line):,} characters)"


def _keep(error: BaseException) -> Path:
    """Write the traceback where it can be written: the home, else the temporary folder."""
    import tempfile

    text = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')}\n{sys.version}\n\n{''.join(traceback.format_exception(error))}"
    for folder in (_home, lambda: Path(tempfile.gettempdir())):
        try:
            path = folder() / "errors" / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except Exception:  # noqa: BLE001, S112  reporting must not fail over the error that it reports
            continue
        return path
    return Path("(nowhere: it could not be written)")


def _home() -> Path:
    from framework.home import home

    return home()


def _silence() -> int:
    """The reader is gone: keep the interpreter from complaining when it flushes at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return BROKEN_PIPE
