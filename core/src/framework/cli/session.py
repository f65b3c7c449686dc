"""How commands reach the database, the storage and the plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.engine.session import Session


def opened() -> Session:
    """The session of this process."""
    from framework.engine.session import current

    return current()


def collected() -> Session:
    """The session, after what unfinished runs have reported was brought in: for every command that looks at runs."""
    from framework.engine.collect import collect

    session = opened()
    collect(session, on_silent=say_silent)
    return session


def say_silent(runs: list[tuple[str, str]]) -> None:
    """Say once which runs could not be looked at, and why the first could not."""
    from framework.cli.output import note
    from framework.cli.text import clip, one_line

    count = "1 run elsewhere" if len(runs) == 1 else f"{len(runs)} runs elsewhere"
    note(f"{count} could not be looked at ({clip(one_line(runs[0][1]), 200)}): shown as last known.")
