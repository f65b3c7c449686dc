"""How a command names a function: ``name``, ``name:tag``, ``name@sha256:…``, or the whole ``db://`` URI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session
    from framework.uris import FunctionUri


def reference(session: Session, text: str, project: str | None = None) -> FunctionUri:
    """The URI that a word stands for.

    Args:
        session: Whose default project is meant where none is said.
        text: What was typed.
        project: ``--project``.
    """
    from framework.uris import FunctionUri

    if "://" not in text:
        text = f"db://{project or session.settings.project}/{text}"
    return FunctionUri.parse(text)


def find(session: Session, text: str, project: str | None = None) -> Document:
    """The version of a function that a word names.

    Raises:
        NotFound: There is none.
    """
    uri = reference(session, text, project)
    return session.database.function(uri.project, uri.name, tag=uri.tag or "latest", version=uri.digest or None)


def abbreviated(version: str) -> str:
    """The beginning of a version, as it may be typed: ``sha256:0123456789ab``."""
    algorithm, _, digest = version.partition(":")
    return f"{algorithm}:{digest[:12]}"


def provenance(facts: dict[str, object]) -> str:
    """Where a version comes from, on one line; where its code is kept is left to ``--json``."""
    known = {key: content for key, content in facts.items() if content not in (None, "", [], {}) and key != "archive"}
    words = [
        str(known.pop("commit", ""))[:12],
        str(known.pop("branch", "")),
        "dirty" if known.pop("dirty", False) else "",
    ]
    return " ".join([*filter(None, words), *(f"{key}={content}" for key, content in known.items())])
