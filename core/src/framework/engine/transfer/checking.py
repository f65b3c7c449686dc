"""Whether what is kept is whole: the database within, runs against their ledgers, contents against their digests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from framework.engine.apply import drawn
from framework.engine.transfer.contents import uris_of
from framework.errors import FrameworkError
from framework.runtimes import Finding

if TYPE_CHECKING:
    from framework.databases import Database, Document, RunRecord
    from framework.engine.session import Session


def check(session: Session, database: Database, *, contents: bool) -> Iterator[Finding]:
    """Look at everything.

    Args:
        session: Where contents are read from.
        database: What is looked at.
        contents: Whether the content of every artifact is read, and not only looked for.

    Returns:
        One finding for each thing that is wrong, and one for each kind of thing that was looked at and is well.
    """
    yield from _within(database)
    seen: dict[str, str] = {}  # what is wrong with a content, by its URI; empty where it is well
    runs = wrong = 0
    for uid, _ in database.run_stamps():
        runs += 1
        record = database.dump_run(uid)
        findings = [*_run(record), *_places(session, f"run {uid}", [record.ledger, record.artifacts], seen, contents)]
        wrong += bool(findings)
        yield from findings
    if not wrong:
        yield Finding(subject="runs", ok=True, message=f"{runs:,} looked at")
    yield from _functions(session, database, seen, contents)
    yield from _shared(database)
    if not any(seen.values()):
        yield Finding(subject="contents", ok=True, message=f"{len(seen):,} are there")


def _within(database: Database) -> Iterator[Finding]:
    problems = database.problems()
    advice = "Restore a backup, or save what can be read: framework db export FILE"
    for problem in problems:
        yield Finding(subject="database", ok=False, message=problem, advice=advice)
    if not problems:
        yield Finding(subject="database", ok=True, message="no damage, and nothing that belongs to nothing")


def _run(record: RunRecord) -> Iterator[Finding]:
    """Whether the document is what the ledger says."""
    subject = f"run {record.uid}"
    try:
        said = drawn(record.document, record.ledger) if record.ledger.get("attempts") else record.document
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        message = f"its ledger cannot be read: {type(error).__name__}: {error}"
        yield Finding(subject=subject, ok=False, message=message, advice=_AGAIN)
        return
    fields = [name for name, value in said["status"].items() if record.document["status"].get(name) != value]
    if fields:
        message = f"its events say otherwise of {', '.join(sorted(fields))}"
        yield Finding(subject=subject, ok=False, message=message, advice=_AGAIN)


_AGAIN = "Merge a copy of the run from another database or an export, or delete it: framework runs delete UID"


def _functions(session: Session, database: Database, seen: dict[str, str], contents: bool) -> Iterator[Finding]:
    versions = wrong = 0
    for latest in database.functions():
        metadata = latest["metadata"]
        for version in database.function_history(metadata.get("project", "default"), metadata["name"]):
            versions += 1
            subject = f"function {metadata['name']}@{version['status']['version'][:15]}"
            findings = list(_places(session, subject, version["status"], seen, contents))
            wrong += bool(findings)
            yield from findings
    if not wrong:
        yield Finding(subject="functions", ok=True, message=f"{versions:,} versions looked at")


def _shared(database: Database) -> Iterator[Finding]:
    for digest in database.contents():
        try:
            database.content(digest)
        except FrameworkError as error:
            yield Finding(subject=f"content {digest[:15]}", ok=False, message=error.message, advice=error.advice)


def _places(
    session: Session, subject: str, document: Document | list[Any], seen: dict[str, str], contents: bool
) -> Iterator[Finding]:
    """What is wrong with the contents that a document names."""
    for uri in dict.fromkeys(uris_of(document)):
        if uri not in seen:
            seen[uri] = _wrong(session, uri, contents)
        if seen[uri]:
            advice = "Restore it there, or run it again."
            yield Finding(subject=subject, ok=False, message=seen[uri], advice=advice)


def _wrong(session: Session, uri: str, contents: bool) -> str:
    """What is wrong with a content; empty where it is well."""
    try:
        storage = session.storage_of(uri)
        if contents:
            storage.open(uri).close()  # it is verified when it is opened
        else:
            storage.stat(uri)
    except FrameworkError as error:
        return error.message
    return ""
