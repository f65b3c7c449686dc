"""What a run's document is as a row of the table ``runs``."""

from __future__ import annotations

import time
from typing import Any, Final

from framework.databases import Document
from framework.models.causes import ENDED
from framework_db_sql.jsontext import dumps

INSERT: Final = (
    "INSERT INTO runs (id, uid, revision, pending, project, name, state, kind, cause, function, parent, created,"
    " started, ended, handle, ledger, doc)"
    " VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
UPDATE: Final = (
    "UPDATE runs SET revision = revision + 1, pending = ?, state = ?, cause = ?, started = ?, ended = ?,"
    " ledger = ?, doc = ? WHERE id = ? AND revision = ?"
)


def inserted(run: Document, ledger: str, handle: str | None) -> tuple[Any, ...]:
    """The arguments of `INSERT`, the id left out."""
    metadata, spec, status = run["metadata"], run.get("spec", {}), run.get("status", {})
    return (
        metadata["uid"],
        is_active(status),
        plain(metadata.get("project") or "default"),
        plain(metadata.get("name") or ""),
        status.get("state") or "created",
        spec.get("kind") or "local",
        status.get("cause"),
        plain(spec.get("function") or ""),
        spec.get("parent") or "",
        created_of(run),
        status.get("started"),
        status.get("ended"),
        handle,
        ledger,
        dumps(run),
    )


def is_active(status: dict[str, Any]) -> int:
    """1 for a run without a final end, else 0: the column ``pending``."""
    return 0 if status.get("state") in ENDED and not status.get("provisional") else 1


def created_of(run: Document) -> float:
    """When a run was created, in seconds since the epoch: as it says, else as its UUIDv7 says, else now."""
    created = run.get("status", {}).get("created")
    if created is not None:
        return float(created)
    uid = run["metadata"]["uid"]
    if len(uid) == 36 and uid[14] == "7":  # noqa: PLR2004  RFC 9562: 48 bits of milliseconds, and the version's digit
        return int(uid[:8] + uid[9:13], 16) / 1000
    return time.time()


def plain(text: str) -> str:
    """A text that every engine takes: without lone surrogates and NUL. The document keeps it as it was."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
