"""The interface of a storage: where the content of artifacts is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from attrs import frozen


@frozen(kw_only=True)
class Stat:
    """What a storage knows of one object."""

    uri: str
    size: int  # bytes
    digest: str = ""  # sha256:… where the storage keeps it


class Storage(ABC):
    """Content by URI. What is put is never changed: the same content is one object, other content is another.

    Args:
        url: The root, such as ``file:///path``, or the URI of an object in it.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def remote(self) -> bool:
        """Whether runs on other machines reach it by what `runner` says; where not, contents come in their events."""
        return False

    @abstractmethod
    def put(self, source: Path | BinaryIO | bytes) -> Stat:
        """Keep a file, a folder (as a deterministic archive) or bytes, whole or not at all.

        Raises:
            StorageError: It could not be kept; nothing is left of it.
        """

    @abstractmethod
    def open(self, uri: str) -> BinaryIO:
        """The content, to be read.

        Raises:
            StorageError: It is not there, or it is not what its digest says.
        """

    @abstractmethod
    def get(self, uri: str, target: Path) -> Path:
        """Copy the content to a file or folder that does not exist yet, verified against its digest.

        What was put as a folder, on either side, comes back as one (`framework_run.folders`); anything else is a file.

        Raises:
            StorageError: The target is there, the content is not, or it is not what its digest says; nothing is left.
        """

    @abstractmethod
    def list(self) -> Iterator[Stat]:
        """Everything that is kept."""

    @abstractmethod
    def stat(self, uri: str) -> Stat:
        """What is known of one object.

        Raises:
            StorageError: It is not there.
        """

    @abstractmethod
    def delete(self, uri: str) -> None:
        """Remove one object; nothing happens when it is not there.

        Raises:
            StorageError: It is no object of this storage, or cannot be removed.
        """

    @abstractmethod
    def runner(self) -> dict[str, Any]:
        """How the run side reaches this storage.

        It is ``{"target": "framework_run.plugins.<import name>.mod:Cls", "options": {…}}``.

        ``Cls(**options).put(path) -> {"uri", "digest", "size"}`` is called in the handler's process.
        """

    def link(self, uri: str) -> str:  # noqa: ARG002  for those that can
        """A URL by which a run reads one object without credentials, for a time; empty where there is no such thing.

        Raises:
            StorageError: It is no object of this storage.
        """
        return ""
