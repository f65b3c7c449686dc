"""What a word of the command line names: a run, or a version of a function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import frozen

from framework.cli.uids import short
from framework.cli.versions import abbreviated, find
from framework.errors import Ambiguous, FrameworkError, NotFound, UsageError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_UID: Final = re.compile(r"[0-9a-f]{4,8}(?:-[0-9a-f]{0,4}){0,3}(?:-[0-9a-f]{0,12})?")


@frozen(kw_only=True)
class Subject:
    """A run or a version.

    Args:
        document: Its document.
        is_run: Whether it is a run.
        label: What it is called in a heading.
    """

    document: Document
    is_run: bool
    label: str

    @property
    def name(self) -> str:
        """The run's or the function's name."""
        return str(self.document["metadata"]["name"])

    @property
    def function(self) -> str:
        """The function's name with its project, whichever it is."""
        if self.is_run:
            return str(self.document.get("spec", {}).get("function", "")).partition("@")[0]
        return f"db://{self.document['metadata'].get('project', 'default')}/{self.name}"

    def json(self) -> dict[str, str]:
        """What it is, for a JSON document."""
        if self.is_run:
            return {"type": "run", "uid": self.document["metadata"]["uid"], "name": self.name}
        return {"type": "version", "version": self.document["status"]["version"], "name": self.name}


def subject(session: Session, text: str, project: str | None) -> Subject:
    """What a word names: a uid or its beginning, ``run://…``, or a function as elsewhere.

    Raises:
        NotFound: It is neither.
        UsageError: It is something else: an artifact, an item of a hub.
    """
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme == "run":
        from framework.uris import RunUri

        return of_run(session, session.database.run(RunUri.parse(text).uid))
    if scheme not in {"", "db"}:
        raise UsageError(
            f"{text!r} is neither a run nor a version of a function",
            advice="Compare runs (a uid) or versions (name, name:tag, name@sha256:…).",
        )
    if not scheme and _UID.fullmatch(text):
        try:
            return of_run(session, session.database.run(text))
        except Ambiguous:
            raise
        except NotFound:
            pass  # a function may be called so
    try:
        return of_version(find(session, text, project))
    except NotFound as error:
        raise NotFound(
            f"there is neither a run nor a function {text!r}" if not scheme else error.message,
            advice="See: framework runs list, framework function list",
        ) from None
    except FrameworkError as error:
        raise UsageError(f"{text!r} names neither a run nor a function", advice=error.advice) from None


def of_run(session: Session, run: Document) -> Subject:
    """A run as a subject."""
    return Subject(document=run, is_run=True, label=short(session.database, run["metadata"]["uid"]))


def of_version(function: Document) -> Subject:
    """A version as a subject."""
    return Subject(document=function, is_run=False, label=abbreviated(function["status"]["version"]))


def version_of_run(session: Session, run: Document) -> Subject:
    """The version that a run ran.

    Raises:
        NotFound: It is not kept.
    """
    return of_version(find(session, run.get("spec", {}).get("function", "")))


def alike(session: Session, one: Subject, other: Subject) -> tuple[Subject, Subject]:
    """Both as things that can be compared: two runs, or two versions; of a run and a version, the run's version.

    Raises:
        UsageError: A run and a version of another function.
    """
    if one.is_run == other.is_run:
        return one, other
    run, version = (one, other) if one.is_run else (other, one)
    if run.function != version.function:
        raise UsageError(
            f"the run {run.label} is of {run.function or 'no function'}, and {version.name} is another function",
            advice="Compare two runs, two versions, or a run with a version of its own function.",
        )
    ran = version_of_run(session, run.document)
    return (ran, other) if one.is_run else (one, ran)
