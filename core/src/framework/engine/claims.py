"""Who starts the next attempt of a run: one of all who look, by a claim that stands in the run's own record.

A claim is a note (`framework.engine.notes`) that the merge rule takes from the first who makes it, in the transaction
that applies it, on every database. It names the process that made it: when that is gone, another may take it over.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from framework.engine.notes import note
from framework.engine.notifications import tell
from framework_run import locks

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_LEASE: Final = 600.0  # seconds after which a claim of another machine's process is as good as gone


def claim(session: Session, run: Document, **facts: Any) -> str:
    """Claim the start of the attempt that a run waits for.

    Args:
        session: Where it is recorded.
        run: The run's document.
        facts: What is kept with the claim: ``resources`` of the attempt.

    Returns:
        A token where the start is this process's own from now on, else nothing.
    """
    uid, retry = run["metadata"]["uid"], run["status"].get("retry") or {}
    standing = retry.get("claim")
    if not retry or (standing and not _is_gone(standing)):
        return ""
    token = secrets.token_hex(8)
    pid = os.getpid()
    claimed = {
        "token": token,
        "time": time.time(),
        "host": platform.node(),
        "boot": locks.boot_id(),
        "pid": pid,
        "start": locks.start_time(pid),
        **{name: fact for name, fact in facts.items() if fact},
    }
    data = {"state": "pending", "claim": claimed, **({"instead": standing["token"]} if standing else {})}
    after = session.database.apply(uid, [note(uid, retry["attempt"], "state", data)], durable=True)
    stands = (after["status"].get("retry") or {}).get("claim") or {}
    return token if stands.get("token") == token else ""


def end_unstarted(session: Session, run: Document, token: str, end: dict[str, Any]) -> Document:
    """End the attempt that a run waits for without starting it.

    Args:
        session: Where it is recorded.
        run: The run's document.
        token: What `claim` gave.
        end: Its end.

    Returns:
        The run's document afterwards.
    """
    uid, number = run["metadata"]["uid"], run["status"]["retry"]["attempt"]
    ended = note(uid, number, "end", {**end, "unstarted": token})
    return tell(session, session.database.apply(uid, [ended], durable=True))


def _is_gone(claim: dict[str, Any]) -> bool:
    """Whether the process that made a claim is gone, as far as can be told from here."""
    if claim["host"] != platform.node():
        return bool(time.time() - claim["time"] > _LEASE)
    if claim["boot"] != locks.boot_id():
        return True
    try:
        os.kill(claim["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is another user's now, and then its start differs
    return bool(claim["start"] != locks.start_time(claim["pid"]))
