"""Code that has been found: its Function, and the files that belong to it."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import Factory, define

from framework.errors import SourceError
from framework.models import Function


@define(kw_only=True)
class Loaded:
    """A Function and its files.

    Args:
        function: The Function, with ``spec.code.files`` filled in.
        root: The folder where the files lie; None where they are in ``texts``.
        texts: Relative path to content, of code that lies in no file.
        args: The arguments that a script or command was given; they belong to the run, not to the Function.
        written: The spec as somebody wrote it, in which a field may be at its default and meant.
        stored: Whether it comes from a storage, where a run has kept it.
    """

    function: Function
    root: Path | None = None
    texts: dict[str, bytes] = Factory(dict)
    args: list[str] = Factory(list)
    written: dict[str, Any] = Factory(dict)
    stored: bool = False

    def take(self, args: Iterable[str]) -> Loaded:
        """Itself, with the arguments that a script or command is given.

        Raises:
            SourceError: It is a function, which takes none.
        """
        self.args = list(args)
        if self.args and not self.function.spec.code.command:
            raise SourceError(
                f"the function {self.function.spec.code.handler!r} takes no arguments such as {self.args[0]!r}",
                advice='Give parameters: -p name=value (params={"name": value}).',
            )
        return self

    @property
    def files(self) -> dict[str, Path]:
        """Where each file lies, by path relative to the root; those in ``texts`` are not among them."""
        return {} if self.root is None else {path: self.root / path for path in self.function.spec.code.files}

    def read(self, name: str) -> bytes:
        """The content of one file.

        Args:
            name: Its path relative to the root.

        Raises:
            SourceError: It cannot be read, or is not what its digest says: it was changed since.
        """
        try:
            content = self.texts[name] if self.root is None else (self.root / name).read_bytes()
        except (KeyError, OSError) as error:
            reason = getattr(error, "strerror", None) or "it is not there"
            raise SourceError(f"{name!r} of the code cannot be read: {reason}", advice="Try it again.") from None
        if digest(content) != self.function.spec.code.files[name]:
            raise SourceError(f"{name!r} was changed while it was being packed", advice="Try it again.")
        return content

    def archive(self) -> bytes:
        """The files as a zip archive, the same bytes for the same content wherever it lies.

        Raises:
            SourceError: A file cannot be read, or was changed since its digest was taken.
        """
        import zipfile

        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(self.function.spec.code.files):
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system = 3  # Unix: the mode counts, and is the same on every system
                entry.external_attr = (0o100755 if self._is_program(name) else 0o100644) << 16
                archive.writestr(entry, self.read(name), zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def _is_program(self, name: str) -> bool:
        return self.root is not None and bool((self.root / name).stat().st_mode & 0o100)


def digest(content: bytes) -> str:
    """``sha256:…`` of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def valid_name(text: str) -> str:
    """A name as URIs can have it, made from any text."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "function"
