"""The entry point of the command line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from framework.cli.index import GROUPS, ROOT
from framework.cli.lazy import RootGroup

HELP: Final = ["-h", "--help"]
_COMPLETE: Final = "_FRAMEWORK_COMPLETE"


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"framework {version('framework-core')}")
        ctx.exit()


@click.group(
    cls=RootGroup,
    table=ROOT,
    groups=GROUPS,
    context_settings={"help_option_names": HELP, "max_content_width": 110},
    epilog="Start with `framework run FILE.py:FUNCTION`, then `framework runs list`.",
)
@click.option("--no-plugins", is_flag=True, help="Load no plugin.")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors (as FRAMEWORK_DEBUG=1).")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def root(ctx: click.Context, no_plugins: bool, debug: bool) -> None:
    """Run Python functions anywhere, and keep what became of them."""
    if no_plugins:
        os.environ["FRAMEWORK_PLUGINS"] = ""
    if debug:
        os.environ["FRAMEWORK_DEBUG"] = "1"
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def execute(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: The words behind ``framework``.

    Returns:
        The exit status: 0 success, 1 failure, 2 usage, 130 interrupted, 141 the reader of the output is gone.
    """
    try:
        try:
            with root.make_context("framework", list(arguments)) as ctx:
                root.invoke(ctx)
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except Exception as error:  # noqa: BLE001  the one place where errors become text and an exit status
        from framework.cli.reporting import report

        return report(error, arguments)
    except KeyboardInterrupt as error:
        from framework.cli.reporting import report

        return report(error, arguments)
    return 0


_show = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
    """Of a warning of ours say the text alone: where it stands in our code is nobody's business."""
    from framework.errors import FrameworkWarning

    if issubclass(category, FrameworkWarning):
        click.echo(click.style("Warning: ", fg="yellow", bold=True) + str(message), err=True)
    else:
        _show(message, category, *rest, **more)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line of this process, and exit.

    Args:
        arguments: The words behind ``framework``; those of the process unless told.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no failure
    warnings.showwarning = _show_warning
    if _COMPLETE in os.environ:
        root.main(prog_name="framework", complete_var=_COMPLETE)
    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))
