"""Code that has been found: its Function, and the files to send."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from attrs import Factory, define

from framework.models import Function


@define(kw_only=True)
class Loaded:
    """A Function and its files.

    Args:
        function: The function, with ``spec.code.files`` filled in.
        root: The folder where the files lie; None where they are in ``texts`` alone.
        texts: Relative path to content, of code that lies in no file.
    """

    function: Function
    root: Path | None = None
    texts: dict[str, bytes] = Factory(dict)

    def archive(self) -> bytes:
        """The files as a zip archive that is the same for the same content."""
        import zipfile

        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(self.function.spec.code.files):
                info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, self.read(name), zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def read(self, name: str) -> bytes:
        """The content of one file."""
        if name in self.texts:
            return self.texts[name]
        if self.root is None:
            raise FileNotFoundError(name)
        return (self.root / name).read_bytes()


def digest(content: bytes) -> str:
    """``sha256:…`` of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
