"""The patch of a run: what the checkout's commit lacks to be the tree that ran, within limits and without secrets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from framework.engine.capture.masking import masked_patch

if TYPE_CHECKING:
    from framework.engine.capture.repository import Checkout
    from framework_run.masking import Masker

LARGEST: Final = 512 * 1024  # bytes of a patch
_NAMED: Final = 20  # files that were left out and are named
_NEW_FILE: Final = 128 * 1024  # bytes of an untracked file
_ODD: Final = re.compile(r'[\x00-\x1f"\\\x7f]')
_FILE: Final = re.compile(rb"^diff --git ", re.MULTILINE)


@frozen(kw_only=True)
class Patch:
    """A patch as it is kept.

    Args:
        content: What `git apply` takes; empty where nothing differs.
        left_out: Paths whose differences are not in it.
        masked: In how many places a secret was taken out; `git apply` may not take a patch with such a place.
    """

    content: bytes
    left_out: list[str]
    masked: int


def assemble(checkout: Checkout, top: Path, files: Iterable[Path], maskers: Sequence[Masker]) -> Patch:
    """The patch of a checkout, with those untracked files in it that belong to the code.

    Args:
        checkout: What git says.
        top: The checkout's top folder.
        files: The files of the code.
        maskers: Know the values that may be recorded nowhere.
    """
    own = {path.resolve() for path in files}
    added = [path for path in checkout.untracked if (top / path).resolve() in own]
    pieces = [*_files_of(checkout.patch), *((path, new_file(path, top / path)) for path in added)]
    kept, left_out, size = [], list(checkout.left_out), 0
    for path, piece in pieces:
        if piece and size + len(piece) <= LARGEST:
            kept.append(piece)
            size += len(piece)
        else:
            left_out.append(path)
    content, masked = masked_patch(b"".join(kept), maskers)
    return Patch(content=content, left_out=left_out, masked=masked)


def described(
    checkout: Checkout, top: Path, files: Iterable[Path], maskers: Sequence[Masker]
) -> tuple[dict[str, Any], bytes]:
    """A checkout as a run records it, and the patch that it names by digest; arguments as `assemble`.

    Returns:
        commit, branch, dirty, and where there is something to say patch (its digest), patch_size in bytes, left_out,
        masked, failed.
    """
    patch = assemble(checkout, top, files, maskers)
    facts: dict[str, Any] = {
        "commit": checkout.commit,
        "branch": checkout.branch,
        "dirty": bool(checkout.changed or patch.content or patch.left_out),
    }
    if patch.content:
        facts["patch"] = f"sha256:{hashlib.sha256(patch.content).hexdigest()}"
        facts["patch_size"] = len(patch.content)
    more = {"left_out": patch.left_out[:_NAMED], "masked": patch.masked, "failed": checkout.failed}
    return {**facts, **{name: fact for name, fact in more.items() if fact}}, patch.content


def new_file(name: str, path: Path) -> bytes:
    """A patch that adds a text file; empty where it is no text, too large, or cannot be read."""
    try:
        mode = 0o100755 if path.stat().st_mode & 0o100 else 0o100644
        with path.open("rb") as stream:
            content = stream.read(_NEW_FILE + 1)
        content.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return b""
    if len(content) > _NEW_FILE or b"\0" in content:
        return b""
    head = f"diff --git {_quoted('a/' + name)} {_quoted('b/' + name)}\nnew file mode {mode:o}\n"
    if not content:
        return head.encode("utf-8", "surrogateescape")
    lines = content.split(b"\n")
    ends = lines[-1] == b""
    lines = lines[:-1] if ends else lines
    tab = "\t" if " " in name else ""
    head += f"--- /dev/null\n+++ {_quoted('b/' + name)}{tab}\n@@ -0,0 +1,{len(lines)} @@\n"
    body = b"".join(b"+" + line + b"\n" for line in lines)
    return head.encode("utf-8", "surrogateescape") + body + (b"" if ends else b"\\ No newline at end of file\n")


def _files_of(patch: bytes) -> list[tuple[str, bytes]]:
    """A patch cut into those of single files, each with the file's path."""
    places = [found.start() for found in _FILE.finditer(patch)]
    ends = [*places[1:], len(patch)]
    pieces = [patch[start:end] for start, end in zip(places, ends, strict=False)]
    return [(_path_in(piece), piece) for piece in pieces]


def _path_in(piece: bytes) -> str:
    first = piece.partition(b"\n")[0].decode("utf-8", "surrogateescape").removeprefix("diff --git ")
    return first[: (len(first) - 1) // 2].removeprefix("a/")  # both names are the same: there are no renames


def _quoted(name: str) -> str:
    """A name as git writes one: in quotes where it has control characters, quotes or backslashes."""
    if not _ODD.search(name):
        return name
    return f'"{_ODD.sub(lambda found: _escaped(found[0]), name)}"'


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '"\\' else f"\\{ord(character):03o}"
