"""What FROM and TO of a command name: the URL of a database, a file, or a FRAMEWORK_HOME."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from attrs import frozen

from framework.errors import UsageError

if TYPE_CHECKING:
    from framework.engine.session import Session
    from framework.storages import Storage

_SQLITE: Final = b"SQLite format 3\0"
_GZIP: Final = b"\x1f\x8b"
_WHAT: Final = "Name a database's URL or file, an export, or a FRAMEWORK_HOME."


@frozen
class Place:
    """A database, or an export.

    Args:
        word: As it was named.
        url: The database's URL; empty for an export.
        file: The file of a SQLite database or of an export; None for another database.
        home: The FRAMEWORK_HOME that it is the database of; None where it is of none.
    """

    word: str
    url: str
    file: Path | None = None
    home: Path | None = None

    @property
    def identity(self) -> str:
        """The same for two names of one database."""
        return str(self.file.resolve()) if self.file else self.url


def source(word: str) -> Place:
    """What is read: it has to be there.

    Raises:
        UsageError: It is not, or is neither a database nor an export.
    """
    place = target(word)
    if place.file is None:
        return place
    try:
        with place.file.open("rb") as stream:
            head = stream.read(len(_SQLITE))
    except FileNotFoundError:
        raise UsageError(f"{word!r} is not there", advice=_WHAT) from None
    except OSError as error:
        raise UsageError(f"{word!r} cannot be read: {error.strerror or error}", advice=_WHAT) from None
    if head.startswith(_GZIP):
        return Place(word, "", place.file)
    if head != _SQLITE:
        raise UsageError(f"{word!r} is neither a database nor an export", advice=_WHAT)
    return place


def target(word: str) -> Place:
    """What is written: a file need not be there."""
    if "://" in word:
        scheme, _, place = word.partition("://")
        file = Path("/" + unquote(place).lstrip("/")) if scheme == "sqlite" else None
        return Place(word, word, file, _home_of(file))
    path = Path(word).expanduser().absolute()
    if path.is_dir() or not (path.suffix or path.exists()):  # a home that is to be made has no suffix, a file has one
        path = path / "framework.db"
    return Place(word, f"sqlite:///{quote(str(path))}", path, _home_of(path))


def storage_of(session: Session, place: Place, named: str | None) -> Storage | None:
    """Where the contents of a database lie: as it was named, else the session's own or its home's; None: unknown."""
    from framework.home import default_storage

    if named:
        return session.storage_at(named)
    if place.identity == target(session.settings.db).identity:
        return session.storage
    return session.plugins.storage(default_storage(place.home)) if place.home else None


def _home_of(file: Path | None) -> Path | None:
    """The FRAMEWORK_HOME that a database lies in, by its name and what lies beside it."""
    if file is None or file.name != "framework.db":
        return None
    return file.parent
