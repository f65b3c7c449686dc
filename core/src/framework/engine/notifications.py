"""Who is told that a run has ended: once for each end, by whoever records it, and never at the run's cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from framework.engine.notes import note
from framework.errors import FrameworkError, UsageError
from framework.models.causes import ENDED

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session
    from framework.notifiers import Notifier

_ENDS: Final = ("completed", "failed", "aborted")
_REFERENCE: Final = re.compile(r"\{([a-z][a-z0-9-]*):([^{}]+)\}")
_FIELDS: Final = ("to", "on", "when")


def wanted(session: Session, given: Iterable[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Notifications as a run's document holds them.

    Args:
        session: Whose plugins are asked for the notifiers.
        given: ``NOTIFIER:ADDRESS``, or mappings of ``to``, ``on`` (states) and ``when`` (a condition).

    Raises:
        UsageError: One of them is none; the message names the field.
        UnknownKind: There is no such notifier.
        ConditionError: A condition does not parse.
    """
    return [_wanted(session, {"to": entry} if isinstance(entry, str) else entry) for entry in given]


def _wanted(session: Session, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        what = f"spec.notifications: {entry!r} is no notification"
        raise UsageError(what, advice=f"Write NOTIFIER:ADDRESS, or a mapping of {', '.join(_FIELDS)}.")
    unknown = [name for name in entry if name not in _FIELDS]
    if unknown or not isinstance(entry.get("to"), str):
        what = f"has no field {unknown[0]!r}" if unknown else "needs the field 'to', a text"
        raise UsageError(f"spec.notifications: a notification {what}", advice=f"It has {', '.join(_FIELDS)}.")
    name, _, address = entry["to"].partition(":")
    if not _REFERENCE.search(address):
        session.plugins.notifier(name, address)  # refuses an address that is none
    elif name not in session.plugins.notifiers():
        session.plugins.notifier(name, "")  # says what there is
    on = [entry["on"]] if isinstance(entry.get("on"), str) else list(entry.get("on") or [])
    for state in on:
        if state not in _ENDS:
            raise UsageError(
                f"spec.notifications.on: {state!r} is no end of a run", advice=f"There are {', '.join(_ENDS)}."
            )
    if entry.get("when"):
        from framework.conditions import parse

        parse(entry["when"])
    return {name: part for name, part in (("to", entry["to"]), ("on", on), ("when", entry.get("when"))) if part}


def tell(session: Session, document: Document) -> Document:
    """Send what a run's end asks for, unless somebody else has; returns the document with what came of it.

    Args:
        session: Where the run is recorded.
        document: The run's document, whose end has been recorded.
    """
    notifications = document["spec"].get("notifications")
    if not notifications or document["status"].get("state") not in ENDED:
        return document
    for number, entry in enumerate(notifications):
        if _fits(entry, document):
            document = _tell(session, document, number, entry)
    return document


def _fits(entry: Mapping[str, Any], document: Document) -> bool:
    if entry.get("on") and document["status"]["state"] not in entry["on"]:
        return False
    if not entry.get("when"):
        return True
    from framework.conditions import matches, parse

    return all(matches(condition, document) for condition in parse(entry["when"]))


def _tell(session: Session, document: Document, number: int, entry: Mapping[str, Any]) -> Document:
    """Claim one notification of this end, and send it if the claim is ours."""
    status, me = document["status"], token_hex(8)
    attempts = status.get("attempts") or [{"number": 1}]
    key = f"{number}/{attempts[-1]['number']}/{status['state']}/{status.get('cause') or ''}"
    if _told(document, key):
        return document
    claim = {"key": key, "by": me, "to": entry["to"].partition(":")[0], "state": "sending"}
    uid, attempt = document["metadata"]["uid"], attempts[-1]["number"]
    try:
        document = session.database.apply(uid, [note(uid, attempt, "notification", claim)])
        if _told(document, key).get("by") != me:
            return document
        outcome = {**claim, **_send(session, document, entry["to"])}
        return session.database.apply(uid, [note(uid, attempt, "notification", outcome)])
    except FrameworkError:
        return document  # the database: the claim stands as it is, and the run has ended all the same


def _told(document: Document, key: str) -> dict[str, Any]:
    return next((told for told in document["status"].get("notifications", []) if told["key"] == key), {})


def _send(session: Session, document: Document, to: str) -> dict[str, Any]:
    """Send one; returns what is recorded of it."""
    from framework.notifiers import Notice

    name, _, address = to.partition(":")
    values: list[str] = []
    try:
        notifier = _made(session, name, address, values)
        name = f"{name}:{notifier.place}" if notifier.place else name
        notifier.notify(Notice(text=_text(document), run=document))
    except FrameworkError as error:
        return {"to": name, "state": "failed", "message": _masked(error.message, [address, *values])}
    except Exception as error:  # noqa: BLE001  a plugin's notifier; its words may hold the address
        return {"to": name, "state": "failed", "message": f"it failed with {type(error).__name__}"}
    return {"to": name, "state": "sent"}


def _made(session: Session, name: str, address: str, values: list[str]) -> Notifier:
    """The notifier with the secrets in its address filled in, which are put into ``values``."""
    from framework.engine.secrets import references
    from framework_run.errors import SecretError
    from framework_run.secrets import resolve

    def value(found: re.Match[str]) -> str:
        try:
            values.extend(resolve(references(session, {"address": f"{found[1]}:{found[2]}"})).values())
        except SecretError as error:
            raise UsageError(error.message, advice=error.advice) from None
        return values[-1]

    return session.plugins.notifier(name, _REFERENCE.sub(value, address))


def _masked(text: str, values: list[str]) -> str:
    from framework_run.masking import Masker

    return Masker(values).text(text)


def _text(document: Document) -> str:
    """One line for people."""
    from framework_run.numbers import decode

    metadata, status = document["metadata"], document["status"]
    words = [metadata["name"], status["state"]]
    started, ended = status.get("started"), status.get("ended")
    if started is not None and ended is not None:
        words.append(f"after {ended - started:.1f} s")
    text = " ".join(words)
    if status["state"] != "completed":
        text += f": {status.get('cause')}: {status.get('message') or 'no message'}"
    elif status.get("results"):
        text += ": " + ", ".join(f"{key}={value!s:.40}" for key, value in decode(status["results"]).items())[:300]
    return f"{text} (run://{metadata.get('project', 'default')}/{metadata['uid']})".replace("\n", " ")
