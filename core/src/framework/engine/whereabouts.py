"""Whether a further attempt of a run is left to the machine that started it, because what it needs lies only there."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.errors import BackendError, FrameworkError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_LEFT: Final = 600.0  # seconds after an attempt is due in which the other machine may start it


def is_left_to_another(session: Session, run: Document) -> bool:
    """Whether this machine lacks the code or an input of a run that another has started, who still may begin it.

    After ten minutes it is not: then what is missing here is how the run ends.

    Args:
        session: Where it is recorded.
        run: Its document; it waits for an attempt that is due.
    """
    if time.time() - float(run["status"]["retry"]["due"]) > _LEFT:
        return False
    host = _started_at(session, run)
    return bool(host) and host != platform.node() and not (_has_code(session, run) and _has_inputs(run))


def _started_at(session: Session, run: Document) -> str:
    """The machine that a run was started from; of an item, its map."""
    environment = run["status"].get("environment") or {}
    parent = run["spec"].get("parent")
    if not environment.get("host") and parent:
        environment = session.database.run(parent)["status"].get("environment") or {}
    return str(environment.get("host") or "")


def _has_code(session: Session, run: Document) -> bool:
    from framework.engine.stored import load_stored

    try:
        load_stored(session, run["spec"].get("function", ""))
    except BackendError:
        return False  # the storage is a folder of the other machine, or nothing for us
    except FrameworkError:
        return True  # it is nowhere, which is the end of it
    return True


def _has_inputs(run: Document) -> bool:
    folder = Path((run["status"].get("environment") or {}).get("folder", ""))
    paths = [text for text in run["spec"].get("inputs", {}).values() if "://" not in text]
    return all((folder / Path(text).expanduser()).exists() for text in paths)
