"""The live function behind a target, for ``--pdb``: the one case in which a command imports the user's file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from framework.cli.output import note
from framework.errors import SourceError, UsageError


def live_function(target: str, handler: str) -> Callable[..., Any]:
    """Import the file or folder of a target in this process, and take the handler from it.

    Args:
        target: ``file.py:function``, a file, or ``folder:module.function``.
        handler: ``--handler``; empty when it was not given.

    Raises:
        UsageError: It is no function in a file.
        click.exceptions.Exit: The user's module raised while it was imported; its traceback has been shown.
    """
    from framework.sources import from_path

    if not target or "://" in target:
        raise UsageError("--pdb debugs a function in a file", advice="Write framework run FILE.py:FUNCTION --pdb.")
    code = from_path(target, handler=handler or None).function.spec.code
    if not code.handler:
        raise UsageError(f"{target!r} is a script, which --pdb cannot debug", advice=f"Try: python -m pdb {target}")
    path = Path(code.path)
    return imported(path if path.is_dir() else path.parent, code.module, code.handler)


def imported(folder: Path, module: str, handler: str) -> Callable[..., Any]:
    """A handler, from its module in a folder.

    Raises:
        SourceError: The module or the handler is not there, or the code does not compile.
        click.exceptions.Exit: The module raised while it was imported; its traceback has been shown.
    """
    from framework_run.errors import LoadingError
    from framework_run.loading import load, prepare_path

    prepare_path(str(folder))
    try:
        return load({"module": module, "file": _file(folder, module), "handler": handler}, str(folder))
    except LoadingError as error:
        raise SourceError(error.message, advice=error.advice) from None
    except Exception as error:
        _debug(error)
        raise click.exceptions.Exit(1) from error


def _file(folder: Path, module: str) -> str:
    base = module.replace(".", "/")
    return next((name for name in (f"{base}.py", f"{base}/__init__.py") if (folder / name).is_file()), "")


def _debug(error: Exception) -> None:
    from framework_run.outcome import user_frames, user_traceback

    note(user_traceback(error).rstrip())
    frames = user_frames(error)
    if frames is not None and sys.stdin.isatty():
        import pdb  # noqa: T100  what was asked for

        pdb.post_mortem(frames)
