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
    collect(session)
    return session
