"""Two versions of a function: the parts of their identity, and the lines of their code."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.engine.compare.changes import Change
from framework.errors import FrameworkError

if TYPE_CHECKING:
    from framework.databases import Document
    from framework.engine.session import Session

_FILES: Final = "code.files."
_TEXT: Final = 1024 * 1024  # bytes of a file whose lines are compared


def version_changes(session: Session, before: Document, after: Document) -> tuple[list[Change], list[str]]:
    """The fields of the identity in which two versions differ, files with their lines.

    Args:
        session: Where their code is kept.
        before: The document of the one.
        after: The document of the other.

    Returns:
        The changes, and what could not be compared, in words.
    """
    from framework.documents.converters import load
    from framework.documents.identity import diff
    from framework.models import Function

    fields = diff(load(before, Function), load(after, Function))
    roots, notes = [], []
    if any(name.startswith(_FILES) for name, _, _ in fields):
        for document in (before, after):
            root, note = _root(session, document)
            roots.append(root)
            notes += [note] if note else []
    changes = []
    for name, old, new in fields:
        if name.startswith(_FILES):
            text = "" if notes else _unified(name.removeprefix(_FILES), roots, (old, new))
            changes.append(Change(section="code", field=name.removeprefix(_FILES), before=old, after=new, diff=text))
        else:
            section = "code" if name.startswith("code.") else "spec"
            changes.append(Change(section=section, field=name, before=old, after=new))  # type: ignore[arg-type]
    return changes, notes


def same_parts(before: Document, after: Document) -> list[str]:
    """The parts of the identity that two versions have alike, in their order."""
    from framework.documents.converters import load
    from framework.documents.identity import components
    from framework.models import Function

    one, other = components(load(before, Function)), components(load(after, Function))
    return [name.removeprefix(_FILES) for name, digest in one.items() if other.get(name) == digest]


def lines_changed(diff: str) -> tuple[int, int]:
    """How many lines a unified diff adds, and how many it removes."""
    lines = diff.splitlines()[2:]
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)


def _root(session: Session, function: Document) -> tuple[Path | None, str]:
    """The folder with a version's code; or why there is none."""
    from framework.engine.stored import load_stored

    metadata = function["metadata"]
    uri = f"db://{metadata.get('project', 'default')}/{metadata['name']}@{function['status']['version']}"
    try:
        return load_stored(session, uri).root, ""
    except FrameworkError as error:
        return None, f"lines of the code cannot be compared: {error.message}"


def _unified(name: str, roots: list[Path | None], digests: tuple[str | None, str | None]) -> str:
    texts = [_lines(root / name) if root and digest else [] for root, digest in zip(roots, digests, strict=True)]
    if texts[0] is None or texts[1] is None:
        return ""
    labels = [name if digest else "/dev/null" for digest in digests]
    return "".join(_ended(difflib.unified_diff(texts[0], texts[1], labels[0], labels[1])))


def _ended(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(path: Path) -> list[str] | None:
    """The lines of a text file; None where it is no text, or too large."""
    try:
        if path.stat().st_size > _TEXT:
            return None
        return path.read_bytes().decode("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return None
