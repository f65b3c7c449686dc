"""Where the contents of artifacts and of code lie, and how they come into the storage of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from framework.engine.transfer.report import Report
    from framework.storages import Storage

Reader = Callable[[str], BinaryIO]


class Contents:
    """Brings contents into a storage, each once.

    Args:
        storage: Where they are to lie; None where they stay where they are.
        report: Is told of them.
        dry_run: Whether to look only.
    """

    def __init__(self, storage: Storage | None, report: Report, *, dry_run: bool) -> None:
        self._storage = storage
        self._report = report
        self._dry_run = dry_run
        self._moved: dict[str, str] = {}  # URIs of the source, and where their content lies now

    def bring(self, uri: str, reader: Reader) -> None:
        """Copy one content, if it is not in the storage already; one that cannot be read is noted."""
        if self._storage is None or uri in self._moved or is_in(self._storage, uri):
            return
        self._moved[uri] = uri
        try:
            with reader(uri) as stream:
                size = stream.seek(0, 2)
                stream.seek(0)
                if not self._dry_run:
                    self._moved[uri] = self._storage.put(stream).uri
        except FrameworkError:
            self._report.unreachable.append(uri)
            return
        self._report.contents_new += 1
        self._report.bytes_copied += size

    def moved(self, document: Any) -> Any:
        """The document with the URIs of what was brought."""
        if isinstance(document, dict):
            return {
                key: self._moved.get(item, item) if _names_content(document, key) else self.moved(item)
                for key, item in document.items()
            }
        return [self.moved(item) for item in document] if isinstance(document, list) else document


def is_in(storage: Storage, uri: str) -> bool:
    """Whether a URI is of a storage."""
    return uri.startswith(storage.url.rstrip("/") + "/")


def uris_of(document: Any) -> Iterator[str]:
    """The URIs of contents that a document names, wherever they stand in it."""
    if isinstance(document, dict):
        for key, item in document.items():
            if _names_content(document, key):
                yield item
            else:
                yield from uris_of(item)
    elif isinstance(document, list):
        for item in document:
            yield from uris_of(item)


def _names_content(document: dict[str, Any], key: str) -> bool:
    """Whether a key of a document is the URI of a content: an artifact's, or that of a function's code."""
    if not isinstance(document[key], str) or "://" not in document[key]:
        return False
    return key == "archive" or (key == "uri" and "digest" in document)
